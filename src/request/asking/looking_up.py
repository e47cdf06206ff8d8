"""Where a result is looked for: in memory, then in Redis, in at most one round trip."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from push.cache.memory import MemoryCache, Remembered
from push.cache.ports import ResultStore
from push.computes import AnyCompute, Registry, Tenant
from push.errors import CacheUnavailableError
from push.keys import Key, make_key
from push.metrics import Counter, Dimension, Metric
from push.results import Result

_REMEMBERED_PARAMS_BYTES = 1024
_REMEMBERED_KEYS = 4096
_MEMORY, _REDIS = ("Tier", "l1"), ("Tier", "redis")


class Found(msgspec.Struct, frozen=True):
    """A result, and the tier it was found in."""

    remembered: Remembered
    tier: Dimension


class Lookup:
    """Both tiers of one execution environment.

    Args:
        registry: the computes on offer.
        store: the second tier, shared by all environments.
        memory: the first tier, this environment's own.
        counter: where an absent Redis is counted.
        trust_ms: how long a result in memory is answered without asking Redis whether it is still the same.

    """

    def __init__(
        self, *, registry: Registry, store: ResultStore, memory: MemoryCache, counter: Counter, trust_ms: int
    ) -> None:
        self._registry = registry
        self._store = store
        self._memory = memory
        self._counter = counter
        self._trust_ms = trust_ms
        self._remembered_key = lru_cache(maxsize=_REMEMBERED_KEYS)(self._make_key)

    def identify(self, tenant: Tenant, compute: str, params: bytes) -> Key:
        """Return the key of what is asked.

        Raises:
            RequestError: the compute is unknown or the params do not fit.

        """
        if len(params) > _REMEMBERED_PARAMS_BYTES:
            return self._make_key(tenant, compute, params)
        return self._remembered_key(tenant, compute, params)

    def _make_key(self, tenant: Tenant, name: str, params: bytes) -> Key:
        compute: AnyCompute = self._registry.find(name)
        return make_key(tenant, compute, compute.parse_params(params))

    def find(self, key: Key, now_ms: int) -> Found | None:
        """Find the newest result that can be had in at most one round trip, whatever its age."""
        remembered = self._memory.get(key.storage)
        if remembered and now_ms - remembered.confirmed_at_ms < self._trust_ms:
            return Found(remembered, _MEMORY)
        try:
            if remembered and self._store.is_unchanged(key, remembered.result):
                remembered.confirmed_at_ms = now_ms
                return Found(remembered, _MEMORY)
            stored = self._store.read(key)
            if stored is None and remembered:
                # Better than to have everybody wait for what was good a moment ago.
                remembered.is_lost = True
                return Found(remembered, _MEMORY)
            return self.remember(key, stored, now_ms)
        except CacheUnavailableError:
            self._counter.count(Metric.CACHE_UNAVAILABLE)
            return Found(remembered, _MEMORY) if remembered else None

    def remember(self, key: Key, result: Result | None, now_ms: int) -> Found | None:
        """Remember what Redis holds by now, or that it holds nothing."""
        if result is None:
            self._memory.drop(key.storage)
            return None
        return Found(self._memory.put(key.storage, result, now_ms), _REDIS)

    def may_refresh(self, remembered: Remembered, now_ms: int) -> bool:
        """Say whether it is time to try for the lease again: this spares Redis a try per request."""
        is_due = now_ms - remembered.refresh_tried_at_ms >= self._trust_ms
        if is_due:
            remembered.refresh_tried_at_ms = now_ms
        return is_due

    def encode(self, key: Key, remembered: Remembered) -> str:
        """Return data as `encode_data` does, once for as long as they are remembered."""
        return self._memory.encode(key.storage, remembered)
