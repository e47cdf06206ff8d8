"""Refreshing the live results that a change invalidated: one job for each key, however often it changes."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from push.cache.jobs import Job, JobKind, Outgoing
from push.cache.ports import JobSender
from push.errors import TransientError
from push.keys import Key
from push.tags import TagScope
from push.topics.live_results import ChangePhase
from push.topics.ports import LinkMarks, LiveResults, RecentChanges, Subscribers
from push.topics.subscriptions import LiveResult
from push.topics.topics import SHARDS, live_topic

_JOBS_PER_CALL = 10

AT_ONCE = 200
"""The most jobs of one change that are sent without a delay."""

SPREAD_PER_SECOND = 500
"""The jobs of one change that become due in a second after that."""

_LONGEST_SPREAD_SECONDS = 60

_DEBOUNCE_OF_MANY_MS = 1000
"""The least debounce of the results of a change that concerns more than `AT_ONCE`."""

_LOOKED_AFTER = 0.1
"""The share of changes that check whether results still have subscribers, at four reads for each result."""

_LOOKED_AT = 50
"""The most results that one change checks."""

_EARLY_MS = 200
"""A delayed job covers no changes in its last milliseconds, in case the queue's clock is ahead of Redis's."""

logger = logging.getLogger(__name__)


class LiveChanges:
    """Sends the jobs that refresh live results, for one execution environment.

    The first change of a key sends a job at once. Further changes soon after it share one delayed job. A job is sent
    before it is noted as covering further changes: a worker that dies in between causes one job too many, never one
    too few.

    If a change concerns very many live results, the first jobs are sent at once and the others with random delays, the
    longer the more there are. So a change of one row that many results read does not have all of them read their
    sources in the same second. Further changes of a key whose job is delayed are covered by that job.

    Args:
        live: finds the live results of a tag.
        subscribers: the subscribers of topics.
        marks: tell workers which links are there.
        recent: the keys that changed a moment ago.
        jobs: the compute queue.
        debounce_ms: how long changes are collected after the first; 0 sends a job for each change. The queue delays
            by whole seconds, so the last change may be computed up to a second later.
        now_ms: the clock, in milliseconds since 1970.
        new_token: makes fencing tokens, each unique.
        random: in [0, 1), decides delays, and when to check for subscribers.

    """

    def __init__(
        self,
        *,
        live: LiveResults,
        subscribers: Subscribers,
        marks: LinkMarks,
        recent: RecentChanges,
        jobs: JobSender,
        debounce_ms: int,
        now_ms: Callable[[], int],
        new_token: Callable[[], str],
        random: Callable[[], float],
    ) -> None:
        self._live = live
        self._subscribers = subscribers
        self._marks = marks
        self._random = random
        self._recent = recent
        self._jobs = jobs
        self._debounce_ms = debounce_ms
        self._now_ms = now_ms
        self._new_token = new_token

    async def announce(self, scope: TagScope, tags: Collection[str], changed_at_ms: int) -> None:
        """Send the jobs for the live results of changed tags.

        The caller must have raised the tags' versions: a client that subscribes meanwhile reads them, or is found here.

        Raises:
            TransientError: a service did not answer; a retry is safe.

        """
        found = await self._live.live_of(scope, tags)
        if not found:
            return
        await self._announce(found, changed_at_ms)
        # Last, so that no subscriber waits for it.
        if self._random() < _LOOKED_AFTER:
            start = int(self._random() * len(found))
            await asyncio.gather(*(self._forget_if_unwatched(each, tags) for each in found[start : start + _LOOKED_AT]))

    async def _announce(self, found: Sequence[LiveResult], changed_at_ms: int) -> None:
        debounce_ms = max(self._debounce_ms, _DEBOUNCE_OF_MANY_MS) if len(found) > AT_ONCE else self._debounce_ms
        if not debounce_ms:
            await self._send([Outgoing(self._job(each, changed_at_ms)) for each in found])
            return
        phases = await asyncio.gather(*(self._recent.phase(each.key) for each in found))
        by_phase = {
            phase: [each for each, its_phase in zip(found, phases, strict=True) if its_phase is phase]
            for phase in ChangePhase
        }
        first, repeated = by_phase[ChangePhase.NONE], by_phase[ChangePhase.FIRST]
        await self._send_at_once(first[:AT_ONCE], changed_at_ms, debounce_ms)
        await self._send_later([*repeated, *first[AT_ONCE:]], changed_at_ms, debounce_ms)

    async def _send_at_once(self, results: Sequence[LiveResult], changed_at_ms: int, debounce_ms: int) -> None:
        await self._send([Outgoing(self._job(each, changed_at_ms)) for each in results])
        await self._note(results, ChangePhase.FIRST, debounce_ms)

    async def _send_later(self, results: Sequence[LiveResult], changed_at_ms: int, debounce_ms: int) -> None:
        """Send delayed jobs, spread over as many seconds as they need, and note until when each covers changes."""
        began_ms, by_delay = self._now_ms(), defaultdict[int, list[LiveResult]](list)
        spread_seconds = min(math.ceil(len(results) / SPREAD_PER_SECOND), _LONGEST_SPREAD_SECONDS)
        for each in results:
            by_delay[math.ceil(debounce_ms / 1000) + int(self._random() * spread_seconds)].append(each)
        await self._send(
            [Outgoing(self._job(each, changed_at_ms), delay) for delay, some in by_delay.items() for each in some]
        )
        for delay, some in by_delay.items():
            await self._note(some, ChangePhase.COVERED, began_ms + delay * 1000 - _EARLY_MS - self._now_ms())

    async def _note(self, results: Sequence[LiveResult], phase: ChangePhase, milliseconds: int) -> None:
        if milliseconds > 0:
            await asyncio.gather(*(self._recent.note(each.key, phase, milliseconds) for each in results))

    async def _forget_if_unwatched(self, live: LiveResult, tags: Collection[str]) -> None:
        """Forget a live result without subscribers; a client that subscribes meanwhile writes it again."""
        try:
            if await self._is_watched(live.key):
                return
            # Then look again: `LinkMarks` says why no worker relies on a link that is removed behind a subscriber.
            await self._marks.forget(live.key)
            if await self._is_watched(live.key):
                return
        except TransientError as exc:
            logger.info("a live result is checked for subscribers another time: %s", exc.message)
            return
        await self._live.remove_live(tags, live)

    async def _is_watched(self, key: Key) -> bool:
        topic = live_topic(key)
        pages = await asyncio.gather(*(self._subscribers.page(topic, each, limit=1) for each in range(SHARDS)))
        # An empty page that is not the last may be followed by subscribers.
        return any(rows or start for rows, start in pages)

    def _job(self, live: LiveResult, changed_at_ms: int) -> Job:
        token = self._new_token()
        return Job(
            kind=JobKind.LIVE,
            tenant=live.tenant,
            compute=live.key.compute,
            params=live.params,
            token=token,
            newer_than_ms=changed_at_ms,
            principal=live.principal,
        )

    async def _send(self, jobs: Sequence[Outgoing]) -> None:
        await asyncio.gather(*(asyncio.to_thread(self._jobs.send, some) for some in _by_tens(jobs)))


def _by_tens(jobs: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    left = iter(jobs)
    while some := list(islice(left, _JOBS_PER_CALL)):
        yield some
