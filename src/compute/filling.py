"""Computing a key and storing the result; the compute is repeated if its sources changed meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from compute.computing import Computing, Task
from compute.lease_keeping import LeaseKeeper
from compute.watching import WatchedTags
from push.cache.jobs import LEASE_TERM_MS, Waiter
from push.cache.ports import Claimed, Filled, FillOutcome, Leases, TagIndex, TagVersion
from push.errors import CacheUnavailableError
from push.metrics import Counter, Metric
from push.results import Result, Status

MAX_COMPUTES = 3
"""Computes in a row while the sources of a key keep changing. The last result is stored as stale."""

_ENLISTED_LONGER_MS = 60_000
"""A key stays in the indexes of its tags this much longer than its result is stored."""

logger = logging.getLogger(__name__)


class Made(msgspec.Struct, frozen=True):
    """A computed result, and what became of it.

    Args:
        result: the result.
        filled: the outcome of its fill; None if Redis stopped answering.
        settles_at_ms: until when what the run read may lag behind changes that were told already; 0 if it does not.
        generation: the key's generation before the run; empty if a change came during every run.

    """

    result: Result
    filled: Filled | None
    settles_at_ms: int = 0
    generation: str = ""


class Filler(msgspec.Struct, frozen=True, kw_only=True):
    """Fills keys for one execution environment.

    Args:
        computing: knows the tags of results.
        keeper: computes under a lease.
        leases: stores results.
        tags: tells whether sources changed; `push.cache.ports.TagIndex` explains why no change is missed.
        counter: counts refused fills.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    keeper: LeaseKeeper
    leases: Leases
    tags: TagIndex
    counter: Counter
    now_ms: Callable[[], int]

    async def fill(self, task: Task, claimed: Claimed, expired: set[Waiter]) -> Made:
        """Compute a claimed key and store the result.

        A change during the compute is noticed. The versions of tags that are known before it, from the params and from
        the result before, are read at once; those of other reads, each before its read.

        Waiters whose deadline passed meanwhile are added to `expired`.

        Raises:
            TransientError: the compute failed and a retry may succeed.

        """
        before = claimed.result
        tags = dict.fromkeys((*self.computing.tags_of(task), *(before.tags if before else ())))
        settles_at_ms = 0
        for _ in range(MAX_COMPUTES):
            watched = await self._watch(task, tuple(tags))
            result = await self.keeper.compute(task, claimed, expired, watched)
            tags.update(dict.fromkeys(result.tags))
            try:
                versions = await self._enlist(task, result)
                settles_at_ms = watched.settles_at_ms(versions)
                result = _until_settled(result, settles_at_ms)
                if watched.are_unchanged(versions):
                    filled = await self._install(task, claimed, result)
                    if filled.outcome is not FillOutcome.OUTDATED:
                        return Made(result, filled, settles_at_ms, claimed.generation)
                logger.info("the sources of %s changed while it was computed", task.key.storage)
                claimed = replace(claimed, generation=await self.leases.read_generation(task.key))
            except CacheUnavailableError:
                return Made(result, None)
        result = replace(result, is_invalidated=True)
        return Made(result, await self._install_as_stale(task, claimed, result), settles_at_ms)

    async def _install_as_stale(self, task: Task, claimed: Claimed, result: Result) -> Filled | None:
        """Store the newest result of a key that changes faster than it is computed; its next reader refreshes it."""
        try:
            return await self._install(task, claimed, result)
        except CacheUnavailableError:
            return None

    async def _watch(self, task: Task, tags: tuple[str, ...]) -> WatchedTags:
        """Begin to watch the tags that are known before a run."""
        watched = WatchedTags(index=self.tags, tenant=task.key.tenant, began_ms=self.now_ms(), now_ms=self.now_ms)
        await watched.begin(tags)
        return watched

    async def _enlist(self, task: Task, result: Result) -> dict[str, TagVersion]:
        """Add the key to the indexes of its tags, and return the versions of the tags."""
        if not result.tags:
            return {}
        keep_ms = result.stale_until_ms - self.now_ms() + _ENLISTED_LONGER_MS
        return dict(zip(result.tags, await self.tags.enlist(task.key, result.tags, keep_ms), strict=True))

    async def _install(self, task: Task, claimed: Claimed, result: Result) -> Filled:
        filled = await self.leases.fill(task.key, claimed, result, LEASE_TERM_MS, self.now_ms())
        if filled.outcome is not FillOutcome.FILLED:
            self.counter.count(Metric.REFUSED_FILL)
            logger.warning("a fill of %s was refused: %s", task.key.storage, filled.outcome)
        return filled


def _until_settled(result: Result, settles_at_ms: int) -> Result:
    """Return a result that is fresh only until its reads have settled, if they may lag."""
    if not settles_at_ms:
        return result
    result = replace(result, may_lag=True)
    if settles_at_ms >= result.fresh_until_ms:
        return result
    # A failure is never usable as stale.
    stale_until_ms = result.stale_until_ms if result.status is Status.VALUE else settles_at_ms
    return replace(result, fresh_until_ms=settles_at_ms, stale_until_ms=stale_until_ms)
