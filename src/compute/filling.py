"""Computing a key and installing the result, anew if what it was made from changed in between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from compute.computing import Computing, KeyJob
from compute.lease_keeping import LeaseKeeper
from push.cache.jobs import LEASE_TERM_MS, Waiter
from push.cache.ports import Claimed, Filled, FillOutcome, Leases, TagIndex
from push.errors import CacheUnavailableError
from push.metrics import Counter, Metric
from push.results import Result

COMPUTES = 3
"""How often a key is computed in a row while its sources keep changing; the last result is installed as stale."""

_ENLISTED_LONGER_MS = 60_000
"""A key stays in the indexes of its tags a little longer than its result is stored."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Fills keys for one execution environment.

    Args:
        computing: tells what results are made from.
        keeper: computes while the lease is kept.
        leases: where results are installed.
        tags: tells whether sources changed; see `push.ports.TagIndex` for why nothing slips through.
        counter: where refused fills are counted.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    keeper: LeaseKeeper
    leases: Leases
    tags: TagIndex
    counter: Counter
    now_ms: Callable[[], int]

    async def fill(self, work: KeyJob, claimed: Claimed, expired: set[Waiter]) -> tuple[Result, Filled | None]:
        """Compute a claimed key and install the result.

        Returns the result and what became of it; None if Redis went away, so that nobody knows. Those whose deadline
        passed meanwhile are added to `expired`.

        Raises:
            TransientError: the compute failed in a way that another attempt may mend.

        """
        tags = self.computing.tags_of(work)
        for _ in range(COMPUTES):
            versions = await self._read_versions(work, tags)
            result = await self.keeper.compute(work, claimed, expired)
            try:
                if versions == (await self._enlist(work, result))[: len(tags)]:
                    filled = await self._install(work, claimed, result)
                    if filled.outcome is not FillOutcome.OUTDATED:
                        return result, filled
                logger.info("the sources of %s changed while it was computed", work.key.storage)
                claimed = replace(claimed, generation=await self.leases.read_generation(work.key))
            except CacheUnavailableError:
                return result, None
        result = replace(result, is_invalidated=True)
        return result, await self._install_as_stale(work, claimed, result)

    async def _install_as_stale(self, work: KeyJob, claimed: Claimed, result: Result) -> Filled | None:
        """Keep the newest there is of a key that changes faster than it is computed; its next reader refreshes it."""
        try:
            return await self._install(work, claimed, result)
        except CacheUnavailableError:
            return None

    async def _read_versions(self, work: KeyJob, tags: tuple[str, ...]) -> tuple[int, ...] | None:
        """Read what must not change until the fill; None, which equals no versions, if it can't be known."""
        try:
            return await self.tags.read_versions(work.key.tenant, tags) if tags else ()
        except CacheUnavailableError:
            return None

    async def _enlist(self, work: KeyJob, result: Result) -> tuple[int, ...]:
        """Have changes find the result from now on, and return the versions of its tags."""
        if not result.tags:
            return ()
        keep_ms = result.stale_until_ms - self.now_ms() + _ENLISTED_LONGER_MS
        return await self.tags.enlist(work.key, result.tags, keep_ms)

    async def _install(self, work: KeyJob, claimed: Claimed, result: Result) -> Filled:
        filled = await self.leases.fill(work.key, claimed, result, LEASE_TERM_MS, self.now_ms())
        if filled.outcome is not FillOutcome.FILLED:
            self.counter.count(Metric.REFUSED_FILL)
            logger.warning("a fill of %s was refused: %s", work.key.storage, filled.outcome)
        return filled
