"""The encodings that each connection accepts, in Redis: one key per connection, which expires after it."""

from __future__ import annotations

from collections.abc import Sequence

from push.adapters.redis.connection import AsyncRedis, SyncRedis, as_text

KEPT_SECONDS = 2 * 3600 + 15 * 60
"""A connection lasts two hours at most (API Gateway, "WebSocket API quotas")."""


class RedisAcceptedEncodings:
    """`push.protocol.ports.AcceptedEncodings` on Redis."""

    def __init__(self, redis: SyncRedis) -> None:
        self._redis = redis

    def write(self, connection_id: str, said: str) -> None:
        """See `AcceptedEncodings.write`."""
        self._redis.run("SET", _name(connection_id), said, "EX", KEPT_SECONDS)

    def read(self, connection_id: str) -> str:
        """See `AcceptedEncodings.read`."""
        return as_text(self._redis.run("GET", _name(connection_id)) or b"")


class RedisConnectionEncodings:
    """`push.protocol.ports.ConnectionEncodings` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read_all(self, connection_ids: Sequence[str]) -> list[str]:
        """See `ConnectionEncodings.read_all`."""
        replies = await self._redis.run_all([("GET", _name(each)) for each in connection_ids])
        return [as_text(reply or b"") for reply in replies]


def _name(connection_id: str) -> str:
    return f"accept:{connection_id}"
