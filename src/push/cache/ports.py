"""The outside as the cache sees it: stored results, leases, tags, and the entrance of the compute queue.

Every method may raise the `TransientError` named in its docstring and no other error.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from push.cache.jobs import Outgoing, Waiter
from push.computes import Tenant
from push.keys import Key
from push.results import Result


class ParkOutcome(enum.StrEnum):
    """What became of an attempt to park."""

    LEADER = "leader"
    """Parked, and the lease is queued for the caller, who must send the job."""
    FOLLOWER = "follower"
    """Parked; somebody else sends or has sent the job."""
    FIRST_FOLLOWER = "first_follower"
    """The same, but nobody has waited till now: the caller must send a guardian, for a refresh has none."""
    CHANGED = "changed"
    """Not parked: the stored result is another than the caller saw."""


@dataclass(frozen=True, slots=True)
class Parked:
    """The outcome, and with CHANGED the result that is stored now (None if none is)."""

    outcome: ParkOutcome
    result: Result | None = None


class ResultStore(Protocol):
    """The second tier, as those see it who answer requests."""

    def read(self, key: Key) -> Result | None:
        """Return the stored result in one round trip; None if there is none. Raises CacheUnavailableError."""

    def is_unchanged(self, key: Key, seen: Result) -> bool:
        """Say whether the stored result is still the one seen, by its header alone. Raises CacheUnavailableError."""

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
        """Park a waiter (None: only try for the lease) and try for the lease, atomically, in one round trip.

        With `only_to_lead` a waiter is parked only if it gets the lease; a key that rests has none for those who ask
        so or without a waiter. Parking the same waiter again changes its deadline. Raises CacheUnavailableError.
        """

    def unpark(self, key: Key, waiter: Waiter | None, token: str) -> None:
        """Undo a parking whose job could not be sent. Raises CacheUnavailableError."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The right to compute a key, until the lease's term ends unless it is renewed."""

    token: str
    generation: str
    result: Result | None
    waiting: int
    next_deadline_ms: int
    """The earliest deadline of a waiter; 0 if nobody waits."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else has the right; `is_watched` tells that a guardian is to look at the key soon."""

    is_watched: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """`is_held` tells whether the right is still the holder's; the deadline of those `expired` has passed.

    `next_deadline_ms` is the earliest deadline of the others; 0 if there are none.
    """

    is_held: bool
    next_deadline_ms: int
    expired: tuple[Waiter, ...]


class FillOutcome(enum.StrEnum):
    """What became of a fill."""

    FILLED = "filled"
    OUTDATED = "outdated"
    """Refused: the key was invalidated since the claim."""
    SUPERSEDED = "superseded"
    """Refused: a newer source version is stored."""
    NO_ROOM = "no_room"
    """Refused: Redis is out of memory."""
    LOST_LEASE = "lost_lease"
    """Refused: the lease ended before the fill."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The outcome, and who is to be answered by the filler."""

    outcome: FillOutcome
    waiters: tuple[Waiter, ...]


class Leases(Protocol):
    """Who may compute a key, and who waits for it."""

    async def claim(self, key: Key, queued_token: str, term_ms: int, waiters: Mapping[Waiter, int]) -> Claimed | Busy:
        """Take the lease if it is free or queued under `queued_token`, in one round trip.

        Claimed or busy, `waiters` (with their deadlines) are parked if they are not. Raises CacheUnavailableError.
        """

    async def renew(self, key: Key, token: str, term_ms: int, now_ms: int) -> Renewed:
        """Extend a held lease and return the waiters whose deadline has passed, who stay parked until settled.

        Raises CacheUnavailableError.
        """

    async def fill(self, key: Key, claimed: Claimed, result: Result, term_ms: int, now_ms: int) -> Filled:
        """Install a result if `claimed` still allows it, and return the waiters, in one round trip.

        The waiters stay parked until settled. Once anybody has subscribed to the key, a result that is installed has
        one more: who stands for the subscribers (`push.cache.jobs.live_waiter`). Raises CacheUnavailableError.
        """

    async def read_generation(self, key: Key) -> str:
        """Return the generation that a fill must still find. Raises CacheUnavailableError."""

    async def watch(self, key: Key, watch_ms: int) -> None:
        """Note for so long that a guardian is to look at the key. Raises CacheUnavailableError."""

    async def rest(self, key: Key, rest_ms: int) -> None:
        """Let nobody have the lease for so long who does not wait for a result. Raises CacheUnavailableError."""

    async def waiters(self, key: Key) -> tuple[Waiter, ...]:
        """Return who waits. Raises CacheUnavailableError."""

    async def settle(self, key: Key, waiters: Sequence[Waiter]) -> None:
        """Take answered waiters off the key. Raises CacheUnavailableError."""

    async def release(self, key: Key, token: str, queue_token: str) -> int:
        """Give the lease back and return how many still wait; if any, the lease is queued under `queue_token`.

        -1 if the lease was no longer held. Raises CacheUnavailableError.
        """

    async def unqueue(self, key: Key, token: str) -> None:
        """Free a lease queued for a job that could not be sent. Raises CacheUnavailableError."""


class JobSender(Protocol):
    """The compute queue's entrance."""

    def send(self, jobs: Sequence[Outgoing]) -> None:
        """Send up to ten jobs in one call; all are durable when it returns. Raises QueueUnavailableError."""


class TagIndex(Protocol):
    """Which results were made from what, so that a change of a source finds them.

    A tag has a version, raised by every change of what it names, and an index of the keys whose results carry it.
    Tags are a tenant's own; None is the shared scope, whose computes read nothing of a tenant's.

    How no result made from an old value is ever installed as fresh: who computes reads the versions before the
    sources, enlists the key right before the fill, and does not fill if the versions have changed. A change raises
    the version first and then goes through the index. If it raises it before the enlisting, the versions differ. If it
    does so after, it finds the key in the index and raises the key's generation: a fill that comes later is refused,
    and one that came before is marked stale.
    """

    async def read_versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[int, ...]:
        """Return the version of each tag, 0 for one that never changed; to be called before the sources are read.

        Raises CacheUnavailableError.
        """

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> tuple[int, ...]:
        """Add a key to the index of each tag for so long, and return the versions as they are then.

        For each tag both happen in one step. Enlisting again prolongs. Raises CacheUnavailableError.
        """

    async def invalidate(self, tenant: Tenant | None, tags: Sequence[str]) -> int:
        """Raise the version of each tag, then the generation of every key under it, and mark their results stale.

        What is stored stays, to be answered while it is computed anew. Returns the number of keys. Repeating it is
        harmless, and so is a part of it: it is repeated after an error. Raises CacheUnavailableError.
        """
