"""The live results whose sources changed a moment ago, in Redis: one Redis key each, which expires."""

from __future__ import annotations

from push.adapters.redis.connection import AsyncRedis, as_text
from push.keys import Key
from push.topics.live_results import ChangePhase


class RedisRecentChanges:
    """`push.topics.ports.RecentChanges` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def phase(self, key: Key) -> ChangePhase:
        """See `RecentChanges.phase`."""
        return ChangePhase(as_text(await self._redis.run("GET", _name(key)) or b""))

    async def note(self, key: Key, phase: ChangePhase, milliseconds: int) -> None:
        """See `RecentChanges.note`."""
        await self._redis.run("SET", _name(key), phase.value, "PX", milliseconds)


def _name(key: Key) -> str:
    return f"{{{key.storage}}}:changed"
