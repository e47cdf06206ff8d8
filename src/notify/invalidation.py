"""Making what a change outdates stale: boards brought up to date, then every result found by its tags.

What somebody subscribes to is then computed anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notify.live_changes import LiveChanges
from push.cache.ports import TagIndex
from push.errors import TransientError
from push.metrics import Counter, Metric
from push.sources.changes import TenantChanges, Told, merge, read_records
from push.sources.ports import BoardCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """Applies changes for one execution environment. All of it may be repeated without harm.

    Args:
        tags: leads from what changed to the results.
        boards: the leaderboards that are kept ready.
        live: has computed anew what somebody subscribes to.
        counter: where changes and the keys they touched are counted.
        now_ms: the clock, in milliseconds since 1970.

    """

    tags: TagIndex
    boards: BoardCache
    live: LiveChanges
    counter: Counter
    now_ms: Callable[[], int]

    async def apply(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Apply the changes of a batch and return the ids of the records to be tried again, in the batch's order.

        A record that can't be read is not among them: it would not be read the next time either, and until then it
        would hold up its shard. It is logged and counted.
        """
        told = read_records(records)
        self._report(told)
        failed = {record_id for changes in merge(told) for record_id in await self._apply_to_tenant(changes)}
        return [each.record_id for each in told if each.record_id in failed]

    def _report(self, told: Sequence[Told]) -> None:
        for each in told:
            if each.problem:
                self.counter.count(Metric.UNREADABLE_CHANGE)
                logger.error("the record %s is passed over: %s", each.record_id, each.problem)
            for change in each.changes:
                self.counter.count(Metric.CHANGE, dimension=("Source", change.source))

    async def _apply_to_tenant(self, changes: TenantChanges) -> Sequence[str]:
        """Return the ids of the records that failed: all of the tenant's or none."""
        changed_at_ms, tags = self.now_ms(), list(changes.tags)
        try:
            # The boards first: whoever reads one after the versions were raised must not find the old score there.
            for board, scores in changes.scores.items():
                await self.boards.update(changes.tenant, board, scores)
            touched = await self.tags.invalidate(changes.tenant, tags)
            await self.live.announce(changes.tenant, tags, changed_at_ms)
        except TransientError as exc:
            logger.warning("changes of tenant %s are tried again: %s", changes.tenant, exc.message)
            return changes.record_ids
        self.counter.count(Metric.INVALIDATED, touched)
        return ()
