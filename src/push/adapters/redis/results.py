"""Results and parked requests in Redis, for functions that answer client messages."""

from __future__ import annotations

import msgspec

from push.adapters.redis.connection import SyncRedis, lease_name, load_script, rest_name, result_name, waiters_name
from push.cache.jobs import NO_DEADLINE_MS, Waiter
from push.cache.ports import Parked, ParkOutcome
from push.keys import Key
from push.results import HEADER_BYTES, CorruptResultError, Result, parse_result, serialize_header

WAITERS_KEPT_MS = 20 * 60 * 1000
"""Longer than any deadline of a message, and longer than a durable request waits before it is checked again.

So the set of waiters outlives each waiter in it that is not parked again.
"""

QUEUED_LEASE_MS = 60_000
"""Lifetime of a queued lease: after it, another request may send a job for the same key."""


class RedisResults:
    """`push.cache.ports.ResultStore` on Redis."""

    def __init__(self, redis: SyncRedis) -> None:
        self._redis = redis
        self._park = load_script("park")
        self._unpark = load_script("unpark")

    def read(self, key: Key) -> Result | None:
        """See `ResultStore.read`."""
        return parse_stored(self._redis.run("GET", result_name(key)))

    def is_unchanged(self, key: Key, seen: Result) -> bool:
        """See `ResultStore.is_unchanged`."""
        header = self._redis.run("GETRANGE", result_name(key), 0, HEADER_BYTES - 1)
        return bool(header == serialize_header(seen))

    def park(
        self,
        key: Key,
        seen: Result | None,
        waiter: Waiter | None,
        deadline_ms: int,
        token: str,
        *,
        only_to_lead: bool = False,
    ) -> Parked:
        """See `ResultStore.park`."""
        reply = self._redis.run_script(
            self._park,
            (result_name(key), lease_name(key), waiters_name(key), rest_name(key)),
            (
                b"" if seen is None else serialize_header(seen),
                HEADER_BYTES,
                b"" if waiter is None else serialize_waiter(waiter),
                deadline_ms,
                WAITERS_KEPT_MS,
                token,
                QUEUED_LEASE_MS,
                int(only_to_lead),
                NO_DEADLINE_MS,
            ),
        )
        outcome = ParkOutcome(reply[0].decode())
        return Parked(outcome, parse_stored(reply[1]) if outcome is ParkOutcome.CHANGED else None)

    def unpark(self, key: Key, waiter: Waiter | None, token: str) -> None:
        """See `ResultStore.unpark`."""
        member = b"" if waiter is None else serialize_waiter(waiter)
        self._redis.run_script(self._unpark, (lease_name(key), waiters_name(key)), (token, member))


def parse_stored(stored: bytes | None) -> Result | None:
    """Parse a stored result; return None for a result in the format of another version."""
    if not stored:
        return None
    try:
        return parse_result(stored)
    except CorruptResultError:
        return None


def serialize_waiter(waiter: Waiter) -> bytes:
    """Serialize a waiter as a member of a key's set of waiters."""
    return msgspec.json.encode(waiter)


_waiter_decoder = msgspec.json.Decoder(Waiter)


def parse_waiter(member: bytes) -> Waiter:
    """Parse a member of a key's set of waiters."""
    return _waiter_decoder.decode(member)
