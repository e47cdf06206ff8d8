"""Inbound webhooks that were seen before, in Redis: one Redis key each, owned by the first function that sets it.

If Redis loses its data, a webhook that was handled may be accepted once more, as long as its signed time allows it.
"""

from __future__ import annotations

import hashlib
import secrets

from push.adapters.redis.connection import SyncRedis, load_script
from push.errors import TransientError

_DONE = b"done"


class RedisSeenHooks:
    """`push.hooks.ports.SeenHooks` on Redis."""

    def __init__(self, redis: SyncRedis) -> None:
        self._redis = redis

    def first_time(self, source: str, identity: str, seconds: int) -> bool:
        """See `SeenHooks.first_time`. Raises CacheUnavailableError."""
        # If the reply of the first try is lost, the second try recognizes its claim by the token.
        claim = secrets.token_bytes(12)
        found = self._redis.run_script(load_script("claim_hook"), [_name(source, identity)], [claim, seconds])
        if found is None or found == claim:
            return True
        if found != _DONE:
            raise TransientError("The webhook is being handled; send it again later.")
        return False

    def remember(self, source: str, identity: str, seconds: int) -> None:
        """See `SeenHooks.remember`. Raises CacheUnavailableError."""
        self._redis.run("SET", _name(source, identity), _DONE, "EX", seconds)

    def forget(self, source: str, identity: str) -> None:
        """See `SeenHooks.forget`. Raises CacheUnavailableError."""
        self._redis.run("DEL", _name(source, identity))


def _name(source: str, identity: str) -> str:
    # Hashed, because the sender chooses its length and its characters.
    return f"hook:{source}:{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
