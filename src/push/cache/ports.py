"""Ports of the cache: stored results, leases, tags, and the sender to the compute queue.

A method raises only the errors that its docstring names.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from push.cache.jobs import Outgoing, Waiter
from push.computes import Tenant
from push.keys import Key
from push.results import Result
from push.tags import TagScope


class ParkOutcome(enum.StrEnum):
    """The outcome of an attempt to park a waiter."""

    LEADER = "leader"
    """Parked, and the lease is queued for the caller, which must send the job."""
    FOLLOWER = "follower"
    """Parked; another caller sends or has sent the job."""
    FIRST_FOLLOWER = "first_follower"
    """Parked as the first waiter of a refresh: the caller must send a guardian, because a refresh has none."""
    CHANGED = "changed"
    """Not parked: the stored result is not the one that the caller saw."""


class Parked(msgspec.Struct, frozen=True):
    """The outcome; with CHANGED, also the stored result (None if none is stored)."""

    outcome: ParkOutcome
    result: Result | None = None


class ResultStore(Protocol):
    """The second tier of the cache, for functions that answer requests."""

    def read(self, key: Key) -> Result | None:
        """Return the stored result in one round trip, or None. Raises CacheUnavailableError."""

    def is_unchanged(self, key: Key, seen: Result) -> bool:
        """Return whether the stored result is still the one seen, comparing headers. Raises CacheUnavailableError."""

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
        """Park a waiter, if one is given, and try to queue the lease, atomically, in one round trip.

        With `only_to_lead`, the waiter is parked only if it gets the lease. While a key rests, calls with
        `only_to_lead` or without a waiter get no lease. Parking the same waiter again changes its deadline. Raises
        CacheUnavailableError.
        """

    def unpark(self, key: Key, waiter: Waiter | None, token: str) -> None:
        """Undo a parking whose job could not be sent. Idempotent. Raises CacheUnavailableError."""


class Claimed(msgspec.Struct, frozen=True):
    """A held lease: the right to compute a key until its term ends, unless it is renewed."""

    token: str
    generation: str
    result: Result | None
    waiting: int
    next_deadline_ms: int
    """The earliest deadline of a waiter; 0 if there is none."""


class Busy(msgspec.Struct, frozen=True):
    """Another worker holds the lease; `is_watched` tells that a guardian will look at the key soon."""

    is_watched: bool


class Renewed(msgspec.Struct, frozen=True):
    """The outcome of a renewal: whether the lease is still held, and the waiters whose deadline has passed.

    `next_deadline_ms` is the earliest deadline of the other waiters; 0 if there are none.
    """

    is_held: bool
    next_deadline_ms: int
    expired: tuple[Waiter, ...]


class FillOutcome(enum.StrEnum):
    """The outcome of a fill."""

    FILLED = "filled"
    OUTDATED = "outdated"
    """Refused: the key was invalidated after the claim."""
    SUPERSEDED = "superseded"
    """Refused: a newer source version is stored."""
    NO_ROOM = "no_room"
    """Refused: Redis is out of memory."""
    LOST_LEASE = "lost_lease"
    """Refused: the lease ended before the fill."""


class Filled(msgspec.Struct, frozen=True):
    """The outcome, and the waiters that the filler must answer."""

    outcome: FillOutcome
    waiters: tuple[Waiter, ...]


class Leases(Protocol):
    """The leases and waiters of keys, for workers that compute."""

    async def claim(self, key: Key, queued_token: str, term_ms: int, waiters: Mapping[Waiter, int]) -> Claimed | Busy:
        """Take the lease if it is free or queued under `queued_token`, atomically, in one round trip.

        In either case `waiters`, each with its deadline, are parked unless they already are. Raises
        CacheUnavailableError.
        """

    async def renew(self, key: Key, token: str, term_ms: int, now_ms: int) -> Renewed:
        """Extend a held lease and return the waiters whose deadline has passed; they stay parked until settled.

        Raises CacheUnavailableError.
        """

    async def fill(self, key: Key, claimed: Claimed, result: Result, term_ms: int, now_ms: int) -> Filled:
        """Store a result if `claimed` still permits it, and return the waiters, atomically, in one round trip.

        The waiters stay parked until settled. If the key has ever had a subscriber, a fill that succeeds also returns
        the waiter that stands for subscribers (`push.cache.jobs.live_waiter`). Raises CacheUnavailableError.
        """

    async def read_generation(self, key: Key) -> str:
        """Return the key's generation; a fill succeeds only if it is unchanged. Raises CacheUnavailableError."""

    async def is_looked_at(self, key: Key) -> bool:
        """Return whether `note_look` recorded a job for the key that is still to come. Raises CacheUnavailableError."""

    async def note_look(self, key: Key, look_ms: int) -> None:
        """Record that a job in `look_ms` computes the key again for its subscribers. Raises CacheUnavailableError."""

    async def watch(self, key: Key, watch_ms: int) -> None:
        """Record for `watch_ms` that a guardian will look at the key. Raises CacheUnavailableError."""

    async def rest(self, key: Key, rest_ms: int) -> None:
        """For `rest_ms`, refuse the lease to callers without a parked waiter. Raises CacheUnavailableError."""

    async def waiters(self, key: Key) -> tuple[Waiter, ...]:
        """Return the parked waiters. Raises CacheUnavailableError."""

    async def settle(self, key: Key, waiters: Sequence[Waiter]) -> None:
        """Remove answered waiters from the key. Idempotent. Raises CacheUnavailableError."""

    async def release(self, key: Key, token: str, queue_token: str) -> int:
        """Release the lease and return the number of parked waiters; with any, queue the lease under `queue_token`.

        Atomic. Returns -1 if the lease was no longer held. Raises CacheUnavailableError.
        """

    async def unqueue(self, key: Key, token: str) -> None:
        """Free a lease that was queued for a job that could not be sent. Raises CacheUnavailableError."""


class JobSender(Protocol):
    """The sender to the compute queue."""

    def send(self, jobs: Sequence[Outgoing]) -> None:
        """Send up to ten jobs in one call; all are durable when it returns. Raises QueueUnavailableError."""


@dataclass(frozen=True, slots=True)
class TagVersion:
    """What is known of a tag at one moment. Equal versions mean that the tag's source did not change in between."""

    number: int
    """0 for a tag that never changed."""
    age_ms: int = field(compare=False)
    """Time since the newest change, by the store's clock; since 1970 for a tag that never changed."""

    def is_younger_than(self, milliseconds: float) -> bool:
        """Return whether the tag changed within the last `milliseconds`.

        A duration is compared rather than a time: the clocks of the store and of the caller may differ.
        """
        return self.age_ms <= milliseconds


class TagIndex(Protocol):
    """The index from tags to the results that carry them, so that a change of a source invalidates its results.

    A tag has a version, which every change of its source raises, and an index of the keys whose results carry it. Tags
    belong to a tenant; None is the shared scope, whose computes read no tenant's data. A change may also raise a tag in
    all scopes: it raises a version that counts in each of them. Tags of tracked sources belong to the shared scope,
    whatever the tenant of the key (`push.tags.scope_of`).

    A result made from an old value is never stored as fresh. The worker reads the versions before the sources, enlists
    the key right before the fill, and does not fill if a version has changed. A change raises the version first, then
    walks the index. If it raises the version before the enlisting, the worker sees different versions. If it raises it
    after, it finds the key in the index and raises the key's generation: a later fill is refused, and an earlier one is
    marked stale. Then it takes the key out of the index, unless the key was enlisted again meanwhile. The next fill is
    claimed after the generation was raised, so its worker enlists the key again.
    """

    async def read_versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[TagVersion, ...]:
        """Return the version of each tag; call it before reading the sources.

        Raises CacheUnavailableError.
        """

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> tuple[TagVersion, ...]:
        """Add a key to the index of each tag for `keep_ms`, and return the tags' versions.

        Atomic for each tag. Enlisting again extends the time. Raises CacheUnavailableError.
        """

    async def invalidate(self, scope: TagScope, tags: Sequence[str]) -> int:
        """Raise the version of each tag, then the generation of every key under it, and mark their results stale.

        Results stay stored, to be answered as stale while they are refreshed. Returns the number of keys; if there are
        thousands, one that has several of the tags may be counted for each. After an error it may be partly done, and
        the caller repeats it: it continues with the keys that are left. Raises CacheUnavailableError.
        """
