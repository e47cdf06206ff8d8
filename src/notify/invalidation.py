"""Invalidation: a change marks members of boards, marks results with its tags stale, and refreshes live results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notify.live_changes import LiveChanges
from push.cache.ports import TagIndex
from push.errors import TransientError
from push.metrics import Counter, Metric
from push.sources.changes import ScopeChanges, Told, merge, read_records
from push.sources.ports import BoardCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """Applies changes for one execution environment. Every step is safe to repeat.

    Args:
        tags: finds the results of a tag.
        boards: the leaderboards in Redis.
        live: refreshes live results that have subscribers.
        counter: counts changes and invalidated keys.
        now_ms: the clock, in milliseconds since 1970.

    """

    tags: TagIndex
    boards: BoardCache
    live: LiveChanges
    counter: Counter
    now_ms: Callable[[], int]

    async def apply(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Apply the changes of a batch, and return the ids of the records to retry, in the batch's order.

        A record that cannot be parsed is logged and counted, but not retried: it would only block its shard.
        """
        told = read_records(records)
        self._report(told)
        failed = {record_id for changes in merge(told) for record_id in await self._apply_in_scope(changes)}
        return [each.record_id for each in told if each.record_id in failed]

    def _report(self, told: Sequence[Told]) -> None:
        for each in told:
            if each.problem:
                self.counter.count(Metric.UNREADABLE_CHANGE)
                logger.error("the record %s is skipped: %s", each.record_id, each.problem)
            for change in each.changes:
                self.counter.count(Metric.CHANGE, dimension=("Source", change.source))

    async def _apply_in_scope(self, changes: ScopeChanges) -> Sequence[str]:
        """Return the ids of the records that failed: all records of the scope, or none."""
        changed_at_ms, tags = self.now_ms(), list(changes.tags)
        try:
            # Boards first: a compute that starts after the versions are raised must not read an old score.
            for (tenant, board), members in changes.members.items():
                await self.boards.mark_changed(tenant, board, members)
            touched = await self.tags.invalidate(changes.scope, tags)
            await self.live.announce(changes.scope, tags, changed_at_ms)
        except TransientError as exc:
            logger.warning("changes of scope %s are retried: %s", changes.scope, exc.message)
            return changes.record_ids
        self.counter.count(Metric.INVALIDATED, touched)
        return ()
