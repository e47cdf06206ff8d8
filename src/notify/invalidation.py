"""Invalidation: a change marks the results with its tags stale, and live results are refreshed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notify.hearing import Heard, Hearing
from notify.live_changes import LiveChanges
from push.cache.ports import TagIndex
from push.changes.declaring import ChangeBatch
from push.changes.merging import Merged, merge
from push.changes.ports import KeptChanges
from push.changes.reading import QUEUE, keep
from push.changes.telling import shown_name
from push.errors import PushasideError, TransientError
from push.metrics import Counter, Metric
from push.settings import CacheSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """Applies changes for one execution environment. Every step is safe to repeat.

    Args:
        hearing: hears what records tell.
        tags: finds the results of a tag.
        live: refreshes live results that have subscribers.
        kept: takes the records that can't be told.
        counter: counts tags, invalidated keys and the lag of sources.
        now_ms: the clock, in milliseconds since 1970.
        settings: what functions of Pushaside itself need for their own effects.

    """

    hearing: Hearing
    tags: TagIndex
    live: LiveChanges
    kept: KeptChanges
    counter: Counter
    now_ms: Callable[[], int]
    settings: CacheSettings

    async def apply(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Apply the changes of a batch, and return the ids of the records to retry, in the batch's order.

        A record that can't be read, or that a function failed at, is kept in the queue of failed changes and not
        retried: it would only block its shard.
        """
        heard = await self.hearing.hear_all(records)
        self._count_lag(heard)
        failed = {each.record_id for each in heard if each.is_to_retry}
        for merged in merge(change for each in heard for change in each.changes):
            failed.update(await self._apply_together(merged))
        failed.update(await self._keep(_settled(heard, failed, is_queue=records[0].get("eventSource") == QUEUE)))
        return [each.record_id for each in heard if each.record_id in failed]

    async def _apply_together(self, merged: Merged) -> Iterable[str]:
        """Return the ids of the records that failed: all of them, or none."""
        changed_at_ms, tags, source = self.now_ms(), list(merged.tags), shown_name(merged.source)
        try:
            # First: a compute that starts after the versions are raised must find what the functions did.
            for function, records in merged.batches.items():
                if function.before is not None:
                    await function.before(ChangeBatch(tuple(records), self.settings))
            touched = await self.tags.invalidate(merged.scope, tags)
            await self.live.announce(merged.scope, tags, changed_at_ms)
        except TransientError as exc:
            logger.warning("changes of %s in scope %s are retried: %s", source, merged.scope, exc.message)
            return merged.record_ids
        except Exception:
            logger.exception("changes of %s in scope %s are retried", source, merged.scope)
            return merged.record_ids
        self.counter.count(Metric.INVALIDATED, touched)
        self.counter.count(Metric.INVALIDATED, touched, ("Source", source))
        self.counter.count(Metric.TAGS_RAISED, len(tags), ("Source", source))
        return ()

    async def _keep(self, settled: Sequence[Heard]) -> Iterable[str]:
        """Keep the records that have a problem; return the ids of those that could not be kept."""
        problems = [each for each in settled if each.problem]
        if not problems:
            return ()
        messages = [keep(each.record, each.problem) for each in problems]
        try:
            await asyncio.to_thread(self.kept.keep, messages)
        except PushasideError as exc:
            logger.warning("%d records are retried, because they could not be kept: %s", len(problems), exc.message)
            return [each.record_id for each in problems]
        return ()

    def _count_lag(self, heard: Sequence[Heard]) -> None:
        """Count the age of the oldest change of each source, and of all: how late the results are that they change."""
        now_ms, lags = self.now_ms(), dict[str, float]()
        for each in heard:
            if each.at:
                lag = max(0.0, now_ms - each.at * 1000)
                for source in each.sources:
                    lags[source] = max(lag, lags.get(source, 0.0))
        for source, lag in lags.items():
            self.counter.count(Metric.CHANGE_LAG_MILLISECONDS, lag, ("Source", shown_name(source)))
        if lags:
            self.counter.count(Metric.CHANGE_LAG_MILLISECONDS, max(lags.values()))


def _settled(heard: Sequence[Heard], failed: set[str], *, is_queue: bool) -> list[Heard]:
    """Return the records of a batch that do not come again: of a stream, those before the first that failed."""
    if is_queue:
        return [each for each in heard if each.record_id not in failed]
    end = next((number for number, each in enumerate(heard) if each.record_id in failed), len(heard))
    return list(heard[:end])
