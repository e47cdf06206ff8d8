"""The two tiers of the cache as one execution environment sees them: its own memory, then Redis."""

from __future__ import annotations

import msgspec

from push.cache.memory import MemoryCache, Remembered
from push.cache.ports import ResultStore
from push.errors import CacheUnavailableError
from push.keys import Key
from push.metrics import Counter, Dimension, Metric
from push.results import Result

_MEMORY, _REDIS = ("Tier", "l1"), ("Tier", "redis")


class Found(msgspec.Struct, frozen=True):
    """A result, and the tier that held it."""

    remembered: Remembered
    tier: Dimension


class Tiers(msgspec.Struct, frozen=True, kw_only=True):
    """Finds and remembers results for one execution environment.

    Args:
        store: the second tier, shared by all environments.
        memory: the first tier, this environment's own.
        counter: counts the times when Redis does not answer.
        trust_ms: how long a result in memory is answered without asking Redis whether it has changed.

    """

    store: ResultStore
    memory: MemoryCache
    counter: Counter
    trust_ms: int

    def find(self, key: Key, now_ms: int) -> Found | None:
        """Return the newest result that a single round trip can find, however old it is."""
        remembered = self.memory.get(key.storage)
        if remembered and now_ms - remembered.confirmed_at_ms < self.trust_ms:
            return Found(remembered, _MEMORY)
        try:
            if remembered and self.store.is_unchanged(key, remembered.result):
                remembered.confirmed_at_ms = now_ms
                return Found(remembered, _MEMORY)
            stored = self.store.read(key)
            if stored is None and remembered:
                # Redis lost the result. Answering the remembered one is better than making every caller wait.
                remembered.is_lost = True
                return Found(remembered, _MEMORY)
            return self.remember(key, stored, now_ms)
        except CacheUnavailableError:
            self.counter.count(Metric.CACHE_UNAVAILABLE)
            return Found(remembered, _MEMORY) if remembered else None

    def remember(self, key: Key, result: Result | None, now_ms: int) -> Found | None:
        """Remember the result that Redis holds now; forget the key if Redis holds none."""
        if result is None:
            self.memory.drop(key.storage)
            return None
        return Found(self.memory.put(key.storage, result, now_ms), _REDIS)

    def may_refresh(self, remembered: Remembered, now_ms: int) -> bool:
        """Say whether this environment may try for the lease again; most requests spare Redis the attempt."""
        is_due = now_ms - remembered.refresh_tried_at_ms >= self.trust_ms
        if is_due:
            remembered.refresh_tried_at_ms = now_ms
        return is_due
