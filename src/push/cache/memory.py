"""The first tier of the cache: results in the memory of one execution environment, bounded in bytes and number."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from push.protocol.large_answers import encode_data
from push.results import Result

_OVERHEAD_BYTES = 500
"""Memory of an entry beside its data: objects and the dictionary's slot, measured roughly."""


class Remembered(msgspec.Struct):
    """A result, and when it was last known to be the one that Redis holds (milliseconds).

    `is_lost` is set once Redis holds no result under the key: it was flushed, or evicted the result.
    """

    result: Result
    confirmed_at_ms: int
    refresh_tried_at_ms: int = 0
    """When this environment last tried to enqueue a refresh; saves Redis one call per request."""
    is_lost: bool = False
    encoded: str | None = None
    """The data as `encode_data` returns it, once a client accepted that encoding."""

    @property
    def seen(self) -> Result | None:
        """Return the result that Redis is known to hold; None if it lost the result."""
        return None if self.is_lost else self.result


class MemoryCache:
    """An LRU cache of results for one execution environment.

    It does not decide whether a result may be answered: `freshness.judge` does. The caller decides from
    `confirmed_at_ms` how long to trust a result without asking Redis.
    """

    __slots__ = ("_entries", "_max_bytes", "_max_entries", "_size_bytes")

    def __init__(self, *, max_bytes: int, max_entries: int = 10_000) -> None:
        self._entries: OrderedDict[str, Remembered] = OrderedDict()
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Return the memory that all entries take."""
        return self._size_bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: str) -> Remembered | None:
        """Return the entry under a key's storage name, or None."""
        entry = self._entries.get(name)
        if entry is not None:
            self._entries.move_to_end(name)
        return entry

    def put(self, name: str, result: Result, now_ms: int) -> Remembered:
        """Store a result just read from Redis, unless it alone exceeds the bound; evict older entries if needed."""
        self.drop(name)
        entry = Remembered(result=result, confirmed_at_ms=now_ms)
        cost = _cost_bytes(entry)
        if cost > self._max_bytes:
            return entry
        self._entries[name] = entry
        self._size_bytes += cost
        self._evict()
        return entry

    def encode(self, name: str, entry: Remembered) -> str:
        """Return an entry's data as `encode_data` does, and keep the encoded text with the entry."""
        if entry.encoded is None:
            entry.encoded = encode_data(entry.result.data)
            if self._entries.get(name) is entry:
                self._size_bytes += len(entry.encoded)
                self._evict()
        return entry.encoded

    def drop(self, name: str) -> None:
        """Remove a key. Idempotent."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._size_bytes -= _cost_bytes(entry)

    def _evict(self) -> None:
        while self._size_bytes > self._max_bytes or len(self._entries) > self._max_entries:
            _, evicted = self._entries.popitem(last=False)
            self._size_bytes -= _cost_bytes(evicted)


def _cost_bytes(entry: Remembered) -> int:
    return len(entry.result.data) + len(entry.encoded or "") + _OVERHEAD_BYTES
