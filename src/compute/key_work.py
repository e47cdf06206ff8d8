"""The work on one key: claim, compute, fill, answer everybody, release. Every step may be repeated without harm.

The lease is short and renewed while the work goes on. Waiters stay parked until they are answered, so whoever
takes over from a dead worker finds them all.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from compute.computing import Computing, KeyJob
from compute.filling import Filler
from compute.lease_keeping import LeaseKeeper
from compute.subscriber_updates import SubscriberUpdates
from push.cache.freshness import Freshness, judge
from push.cache.jobs import GUARDIAN_DELAY_SECONDS, LEASE_TERM_MS, JobKind, Outgoing, Waiter, with_guardian
from push.cache.ports import Busy, Claimed, Filled, FillOutcome, JobSender, Leases, TagIndex
from push.delivery.waiter_answers import WaiterAnswers, suits
from push.errors import CacheUnavailableError, ErrorCode, PushasideError, QueueUnavailableError, TransientError
from push.metrics import Counter, Metric
from push.protocol.frames import CacheState
from push.results import Result, Status

MAX_ATTEMPTS = 3

WATCH_MS = (GUARDIAN_DELAY_SECONDS - 1) * 1000
"""Less than a guardian takes to come, so that none ends because of itself."""

logger = logging.getLogger(__name__)


class Disposition(enum.Enum):
    """What is to become of a job's queue message."""

    DONE = "done"
    AGAIN = "again"
    """It should come back after a backoff."""
    LATER = "later"
    """It should come again as one that was never tried: nothing could be done about it, however often it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWorker:
    """Works on keys for one execution environment.

    Args:
        computing: runs computes where there is no Redis to fill.
        filler: computes and installs results.
        leases: who may compute what, and who waits.
        answers: tells those who wait.
        live: tells those who subscribe.
        jobs: the compute queue, for guardians and for those who came too late for a fill.
        counter: where takeovers are counted.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    filler: Filler
    leases: Leases
    answers: WaiterAnswers
    live: SubscriberUpdates
    jobs: JobSender
    counter: Counter
    now_ms: Callable[[], int]

    async def work(self, work: KeyJob, waiters: Mapping[Waiter, int], *, is_guarded: bool = False) -> Disposition:
        """Do what a job asks.

        Args:
            work: the job.
            waiters: those who came with it and with others of the same key, and their deadlines (ms).
            is_guarded: a guardian came along, and must not be lost while somebody else works on the key.

        Raises:
            TransientError: Redis or SQS failed in between; everything can be done again.

        """
        try:
            return await self._work_on(work, waiters, is_guarded=is_guarded)
        except CacheUnavailableError as exc:
            # Redis went away after the claim. Nobody tells those who subscribe or are parked but this job.
            if not _needs_cache(work):
                raise
            logger.warning("%s waits for Redis: %s", work.key.storage, exc.message)
            return Disposition.LATER

    async def _work_on(self, work: KeyJob, waiters: Mapping[Waiter, int], *, is_guarded: bool) -> Disposition:
        try:
            claimed = await self.leases.claim(work.key, work.job.token, LEASE_TERM_MS, waiters)
        except CacheUnavailableError:
            return await self._work_without_cache(work, list(waiters))
        if isinstance(claimed, Busy):
            # Those who subscribe are parked like any waiter, whose worker may die: somebody has to look after them.
            if (is_guarded or work.job.kind is JobKind.LIVE) and not claimed.is_watched:
                await self._look_again(work)
            return Disposition.DONE
        if work.job.kind is JobKind.GUARDIAN:
            return await self._take_over(work, claimed)
        return await self._work_claimed(work, claimed, list(waiters))

    async def _look_again(self, work: KeyJob) -> None:
        """Send the guardian anew; others that come before it are then superfluous, and end."""
        await self._send(Outgoing(work.job.guardian(), GUARDIAN_DELAY_SECONDS))
        await self.leases.watch(work.key, WATCH_MS)

    async def _take_over(self, work: KeyJob, claimed: Claimed) -> Disposition:
        """Nobody works on the key: if somebody waits, its worker died."""
        if claimed.waiting == 0:
            return await self._release(work, claimed)
        self.counter.count(Metric.TAKEOVER)
        logger.warning("taking over %s for %d waiters", work.key.storage, claimed.waiting)
        waiters = await self.leases.waiters(work.key)
        if work.attempt >= MAX_ATTEMPTS:
            error = PushasideError("The compute failed at every attempt.", code=ErrorCode.COMPUTE_FAILED)
            await self._refuse(work, waiters, error)
            return await self._release(work, claimed)
        again = KeyJob(work.job.next_attempt(), work.compute, work.key, work.attempt + 1)
        await self._send(Outgoing(again.job, GUARDIAN_DELAY_SECONDS))
        return await self._work_claimed(again, claimed, waiters)

    async def _work_claimed(self, work: KeyJob, claimed: Claimed, waiters: Sequence[Waiter]) -> Disposition:
        stored = claimed.result
        if stored is not None and self._is_done(work, stored):
            waiting = await self.leases.waiters(work.key)
            if all(suits(waiter, stored) for waiter in waiting):
                return await self._answer(work, claimed, stored, waiting)
        expired: set[Waiter] = set()
        try:
            result, filled = await self.filler.fill(work, claimed, expired)
        except TransientError as exc:
            return await self._fail(work, claimed, _without(waiters, expired), exc)
        waiters = _without(waiters, expired)
        if filled is None:
            if work.job.kind is JobKind.LIVE:
                return Disposition.LATER
            return _done_if(await self.answers.send_result(work.key, waiters, result), waiters)
        # Installed or not, the result is right for those who asked before it was begun.
        return await self._answer_filled(work, claimed, result, filled, _union(filled.waiters, waiters))

    def _is_done(self, work: KeyJob, stored: Result) -> bool:
        is_fresh = judge(stored, self.now_ms()) is Freshness.FRESH
        return is_fresh and stored.computed_at_ms >= work.job.newer_than_ms

    async def _answer_filled(
        self, work: KeyJob, claimed: Claimed, result: Result, filled: Filled, waiters: Sequence[Waiter]
    ) -> Disposition:
        if filled.outcome is FillOutcome.SUPERSEDED and any(waiter.is_live for waiter in waiters):
            await self._answer_requests(work, claimed, result, waiters)
            raise TransientError(f"{work.key.storage} was computed from an older state of its source than is stored.")
        return await self._answer(work, claimed, result, waiters)

    async def _answer(self, work: KeyJob, claimed: Claimed, result: Result, waiters: Sequence[Waiter]) -> Disposition:
        """Answer the waiters whom a result suits, and release the lease."""
        await self._answer_requests(work, claimed, result, waiters)
        live = [waiter for waiter in waiters if waiter.is_live and suits(waiter, result)]
        if live:
            await self.live.answer(work.key, claimed.token, live, result)
        return await self._release(work, claimed)

    async def _answer_requests(
        self,
        work: KeyJob,
        claimed: Claimed,
        result: Result,
        waiters: Sequence[Waiter],
        state: CacheState = CacheState.MISS,
    ) -> None:
        suited = [waiter for waiter in waiters if not waiter.is_live and suits(waiter, result)]
        await self.answers.answer(work.key, claimed.token, suited, result, state)

    async def _refuse(self, work: KeyJob, waiters: Sequence[Waiter], error: PushasideError) -> None:
        await self.answers.refuse(work.key, [waiter for waiter in waiters if not waiter.is_live], error)
        if live := [waiter for waiter in waiters if waiter.is_live]:
            await self.live.give_up(work.key, live)

    async def _release(self, work: KeyJob, claimed: Claimed) -> Disposition:
        """Give the lease back; for those who still wait, a new job is sent.

        It has this one's token: should this worker die before it is sent, this one's guardian can claim the key.

        Raises:
            QueueUnavailableError: it was not sent; the next to ask can have the lease.

        """
        if await self.leases.release(work.key, claimed.token, work.job.token) > 0:
            try:
                await self._send(*with_guardian(work.job.follow_up()))
            except QueueUnavailableError:
                await self.leases.unqueue(work.key, work.job.token)
                raise
        return Disposition.DONE

    async def _fail(
        self, work: KeyJob, claimed: Claimed, waiters: Sequence[Waiter], error: TransientError
    ) -> Disposition:
        """Have a job tried again; after enough tries tell everybody, with a stale result where there is one."""
        parked = await self.leases.waiters(work.key)
        if work.job.kind is JobKind.REFRESH and not parked:
            await self._rest(work)
            return await self._release(work, claimed)
        if work.attempt < MAX_ATTEMPTS:
            await self.leases.release(work.key, claimed.token, work.job.token)
            # Whoever takes over has sent the next guardian already: that one is the next attempt.
            return Disposition.DONE if work.job.kind is JobKind.GUARDIAN else Disposition.AGAIN
        waiters = _union(parked, waiters)
        if (stale := self._stale_for_error(claimed)) is not None:
            await self._answer_requests(work, claimed, stale, waiters, CacheState.STALE)
            await self._rest(work)
            waiters = [waiter for waiter in waiters if waiter.is_live or not suits(waiter, stale)]
        await self._refuse(work, waiters, error)
        disposition = await self._release(work, claimed)
        # Subscribers are not told of errors: after its last try their job lies with the dead letters.
        return Disposition.AGAIN if work.job.kind is JobKind.LIVE else disposition

    def _stale_for_error(self, claimed: Claimed) -> Result | None:
        """Return the stored result if it may be answered instead of an error (RFC 5861, stale-if-error)."""
        stored = claimed.result
        if stored is None or stored.status is Status.FAILURE:
            return None
        return None if judge(stored, self.now_ms()) is Freshness.UNUSABLE else stored

    async def _rest(self, work: KeyJob) -> None:
        """Have nobody refresh a key for a while whose compute fails: its stale result is answered meanwhile."""
        await self.leases.rest(work.key, int(work.compute.failure_ttl_seconds * 1000))

    async def _work_without_cache(self, work: KeyJob, waiters: Sequence[Waiter]) -> Disposition:
        """Redis is away: compute for those who came with the job. Guardians and subscribers wait until it is back."""
        self.counter.count(Metric.CACHE_UNAVAILABLE)
        if _needs_cache(work):
            return Disposition.LATER
        try:
            result = await self.computing.compute(work)
        except TransientError as exc:
            if work.attempt < MAX_ATTEMPTS:
                return Disposition.AGAIN
            return _done_if(await self.answers.send_error(waiters, exc), waiters)
        told = await self.answers.send_result(work.key, waiters, result)
        await self._answer_parked(work, result)
        return _done_if(told, waiters)

    async def _answer_parked(self, work: KeyJob, result: Result) -> None:
        """Answer those who were parked meanwhile, because their `request` saw Redis back before this function did.

        Nobody looked whether the sources changed during the compute, so the result is kept as stale.
        """
        try:
            claimed = await self.leases.claim(work.key, work.job.token, LEASE_TERM_MS, {})
            if isinstance(claimed, Busy):
                return
            stored = claimed.result
            if stored is not None and stored.computed_at_ms >= result.computed_at_ms:
                await self._answer(work, claimed, stored, await self.leases.waiters(work.key))
                return
            kept = replace(result, is_invalidated=True)
            filled = await self.leases.fill(work.key, claimed, kept, LEASE_TERM_MS, self.now_ms())
            await self._answer_filled(work, claimed, kept, filled, filled.waiters)
        except CacheUnavailableError as exc:
            logger.info("Redis is still away: %s", exc.message)

    async def _send(self, *jobs: Outgoing) -> None:
        await asyncio.to_thread(self.jobs.send, jobs)


def make_worker(
    *,
    computing: Computing,
    leases: Leases,
    tags: TagIndex,
    answers: WaiterAnswers,
    live: SubscriberUpdates,
    jobs: JobSender,
    counter: Counter,
    now_ms: Callable[[], int],
) -> KeyWorker:
    """Put a worker together from the outside that it works with."""
    keeper = LeaseKeeper(computing=computing, leases=leases, answers=answers, counter=counter, now_ms=now_ms)
    filler = Filler(computing=computing, keeper=keeper, leases=leases, tags=tags, counter=counter, now_ms=now_ms)
    return KeyWorker(
        computing=computing,
        filler=filler,
        leases=leases,
        answers=answers,
        live=live,
        jobs=jobs,
        counter=counter,
        now_ms=now_ms,
    )


def _needs_cache(work: KeyJob) -> bool:
    return work.job.kind in (JobKind.GUARDIAN, JobKind.LIVE)


def _done_if(told: Sequence[Waiter], waiters: Sequence[Waiter]) -> Disposition:
    """Have a job tried again if Redis does not keep those who could be told in no way."""
    return Disposition.DONE if len(told) == len(waiters) else Disposition.AGAIN


def _union(waiters: Sequence[Waiter], others: Sequence[Waiter]) -> list[Waiter]:
    return list(dict.fromkeys((*waiters, *others)))


def _without(waiters: Sequence[Waiter], others: Set[Waiter]) -> list[Waiter]:
    return [waiter for waiter in waiters if waiter not in others]
