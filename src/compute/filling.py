"""Computing a key and storing the result; the compute is repeated if its sources changed meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from compute.computing import Computing, Task
from compute.lease_keeping import LeaseKeeper
from push.cache.jobs import LEASE_TERM_MS, Waiter
from push.cache.ports import Claimed, Filled, FillOutcome, Leases, TagIndex, TagVersion
from push.errors import CacheUnavailableError
from push.metrics import Counter, Metric
from push.results import Result

MAX_COMPUTES = 3
"""Computes in a row while the sources of a key keep changing. The last result is stored as stale."""

_ENLISTED_LONGER_MS = 60_000
"""A key stays in the indexes of its tags this much longer than its result is stored."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
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

    async def fill(self, task: Task, claimed: Claimed, expired: set[Waiter]) -> tuple[Result, Filled | None]:
        """Compute a claimed key and store the result.

        A change during the compute is noticed for tags that are known before it: from the params, and from the result
        before.

        Returns the result and the outcome of its fill, which is None if Redis stopped answering. Waiters whose
        deadline passed meanwhile are added to `expired`.

        Raises:
            TransientError: the compute failed and a retry may succeed.

        """
        before = claimed.result
        tags = dict.fromkeys((*self.computing.tags_of(task), *(before.tags if before else ())))
        for _ in range(MAX_COMPUTES):
            versions = await self._read_versions(task, tuple(tags))
            result = await self.keeper.compute(task, claimed, expired)
            tags.update(dict.fromkeys(result.tags))
            try:
                if _are_unchanged(versions, await self._enlist(task, result)):
                    filled = await self._install(task, claimed, result)
                    if filled.outcome is not FillOutcome.OUTDATED:
                        return result, filled
                logger.info("the sources of %s changed while it was computed", task.key.storage)
                claimed = replace(claimed, generation=await self.leases.read_generation(task.key))
            except CacheUnavailableError:
                return result, None
        result = replace(result, is_invalidated=True)
        return result, await self._install_as_stale(task, claimed, result)

    async def _install_as_stale(self, task: Task, claimed: Claimed, result: Result) -> Filled | None:
        """Store the newest result of a key that changes faster than it is computed; its next reader refreshes it."""
        try:
            return await self._install(task, claimed, result)
        except CacheUnavailableError:
            return None

    async def _read_versions(self, task: Task, tags: tuple[str, ...]) -> dict[str, TagVersion] | None:
        """Read the versions of tags that must not change until the fill; None without Redis."""
        try:
            return dict(zip(tags, await self.tags.read_versions(task.key.tenant, tags) if tags else (), strict=True))
        except CacheUnavailableError:
            return None

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


def _are_unchanged(before: dict[str, TagVersion] | None, now: dict[str, TagVersion]) -> bool:
    """Return whether the tags of a result have the versions that were read before; new tags have none to compare."""
    return before is not None and all(before.get(tag, version) == version for tag, version in now.items())
