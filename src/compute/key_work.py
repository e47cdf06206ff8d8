"""The work on one key: claim it, compute, fill, answer all waiters, release it. Every step is safe to repeat.

The lease is short, and the worker renews it. Waiters stay parked until they are answered, so a worker that takes over
from a dead one finds them all.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence, Set

import msgspec
from msgspec.structs import replace

from compute.computing import Computing, LoggedFailureError, Task, describe
from compute.dispositions import Disposition, done_if
from compute.filling import Filler
from compute.late_tags import LateTags
from compute.subscriber_updates import SubscriberUpdates
from push.authorizing import forbidden
from push.cache.freshness import Freshness, judge
from push.cache.jobs import GUARDIAN_DELAY_SECONDS, LEASE_TERM_MS, JobKind, Outgoing, Waiter, with_guardian
from push.cache.ports import Busy, Claimed, Filled, FillOutcome, JobSender, Leases
from push.delivery.rights import split_by_right
from push.delivery.waiter_answers import WaiterAnswers, suits
from push.errors import CacheUnavailableError, ErrorCode, PushasideError, QueueUnavailableError, TransientError
from push.metrics import Counter, Metric
from push.protocol.frames import CacheState
from push.results import Result, Status

MAX_ATTEMPTS = 3

WATCH_MS = (GUARDIAN_DELAY_SECONDS - 1) * 1000
"""Shorter than a guardian's delay, so that no guardian is dropped because of its own watch."""

LOOK_EARLY_MS = 200
"""A noted look covers no changes in its last milliseconds, in case the queue's clock is ahead of Redis's."""

logger = logging.getLogger(__name__)


class KeyWorker(msgspec.Struct, frozen=True, kw_only=True):
    """Works on keys for one execution environment.

    Args:
        computing: runs computes while Redis is away.
        filler: computes and stores results.
        leases: the leases and the parked waiters.
        answers: answers requests.
        updates: publishes to subscribers.
        late_tags: links the tags that a run names to its subscribers.
        jobs: the compute queue, for guardians and for waiters that a fill came too early for.
        counter: counts takeovers.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    filler: Filler
    leases: Leases
    answers: WaiterAnswers
    updates: SubscriberUpdates
    late_tags: LateTags
    jobs: JobSender
    counter: Counter
    now_ms: Callable[[], int]

    async def run(self, task: Task, waiters: Mapping[Waiter, int], *, is_guarded: bool = False) -> Disposition:
        """Run a task to its end.

        Args:
            task: the first of the jobs with the same key and token.
            waiters: the waiters that came with these jobs, and their deadlines (ms).
            is_guarded: a guardian is among the jobs, and must not be lost while another worker has the key.

        Raises:
            TransientError: Redis or SQS failed; the task can be repeated.

        """
        try:
            return await self._claim(task, waiters, is_guarded=is_guarded)
        except CacheUnavailableError as exc:
            # Redis stopped answering after the claim. Only this job can still answer subscribers and parked waiters.
            if not _needs_cache(task):
                raise
            logger.warning("%s waits for Redis: %s", task.key.storage, exc.message)
            return Disposition.LATER

    async def _claim(self, task: Task, waiters: Mapping[Waiter, int], *, is_guarded: bool) -> Disposition:
        try:
            claimed = await self.leases.claim(task.key, task.job.token, LEASE_TERM_MS, waiters)
        except CacheUnavailableError:
            return await self._run_without_cache(task, list(waiters))
        if isinstance(claimed, Busy):
            # The other worker may die: without a guardian, nobody would find the subscribers' waiter.
            if (is_guarded or task.job.kind is JobKind.LIVE) and not claimed.is_watched:
                await self._look_again(task)
            return Disposition.DONE
        if task.job.kind is JobKind.GUARDIAN:
            return await self._take_over(task, claimed)
        return await self._serve(task, claimed, list(waiters))

    async def _look_again(self, task: Task) -> None:
        """Send the guardian again; the watch drops other guardians that arrive before it."""
        await self._send(Outgoing(task.job.guardian(), GUARDIAN_DELAY_SECONDS))
        await self.leases.watch(task.key, WATCH_MS)

    async def _take_over(self, task: Task, claimed: Claimed) -> Disposition:
        """Compute for the waiters of a dead worker; without waiters there is nothing to take over."""
        if claimed.waiting == 0:
            return await self._release(task, claimed)
        self.counter.count(Metric.TAKEOVER)
        logger.warning("taking over %s for %d waiters", task.key.storage, claimed.waiting)
        waiters = await self.leases.waiters(task.key)
        if task.attempt >= MAX_ATTEMPTS:
            error = PushasideError("The compute failed in every attempt.", code=ErrorCode.COMPUTE_FAILED)
            _log_the_end(task, error)
            await self._refuse(task, waiters, error)
            return await self._release(task, claimed)
        again = Task(task.job.next_attempt(), task.compute, task.key, task.attempt + 1)
        await self._send(Outgoing(again.job, GUARDIAN_DELAY_SECONDS))
        return await self._serve(again, claimed, waiters)

    async def _serve(self, task: Task, claimed: Claimed, waiters: Sequence[Waiter]) -> Disposition:
        stored = claimed.result
        if stored is not None and self._is_done(task, stored):
            waiting = await self.leases.waiters(task.key)
            may_stay = not (stored.may_lag and any(waiter.is_live for waiter in waiting))
            if may_stay and all(suits(waiter, stored) for waiter in waiting):
                return await self._answer(task, claimed, stored, waiting)
        expired: set[Waiter] = set()
        try:
            made = await self.filler.fill(task, claimed, expired)
        except TransientError as exc:
            return await self._fail(task, claimed, _without(waiters, expired), exc)
        waiters, result, filled = _without(waiters, expired), made.result, made.filled
        if filled is None:
            # Also a guardian may have taken over for subscribers. Only under a lease do they receive a result.
            if any(waiter.is_live for waiter in waiters):
                return Disposition.LATER
            return done_if(await self._send_result(task, waiters, result), waiters)
        if made.settles_at_ms and any(waiter.is_live for waiter in filled.waiters):
            await self._look_when_settled(task, made.settles_at_ms)
        if made.generation:
            claimed = replace(claimed, generation=made.generation)
        # Even if the fill was refused, the result is right for waiters that asked before the compute began.
        return await self._answer_filled(task, claimed, result, filled, _union(filled.waiters, waiters))

    async def _look_when_settled(self, task: Task, settles_at_ms: int) -> None:
        """Have the key computed again for its subscribers when its reads have settled, if no such job is to come.

        That job sees no change that is so recent, so it needs no further one. It is sent before it is noted: a worker
        that dies in between causes a job too many.
        """
        delay_seconds = max(0, math.ceil((settles_at_ms - self.now_ms()) / 1000))
        if await self.leases.is_looked_at(task.key):
            return
        await self._send(Outgoing(task.job.look_again(settles_at_ms), delay_seconds))
        if delay_seconds:
            await self.leases.note_look(task.key, delay_seconds * 1000 - LOOK_EARLY_MS)

    def _is_done(self, task: Task, stored: Result) -> bool:
        is_fresh = judge(stored, self.now_ms()) is Freshness.FRESH
        return is_fresh and stored.computed_at_ms >= task.job.newer_than_ms

    async def _answer_filled(
        self, task: Task, claimed: Claimed, result: Result, filled: Filled, waiters: Sequence[Waiter]
    ) -> Disposition:
        if filled.outcome is FillOutcome.SUPERSEDED and any(waiter.is_live for waiter in waiters):
            await self._answer_requests(task, claimed, result, waiters)
            raise TransientError(f"{task.key.storage} was computed from an older state of its source than is stored.")
        return await self._answer(task, claimed, result, waiters)

    async def _answer(self, task: Task, claimed: Claimed, result: Result, waiters: Sequence[Waiter]) -> Disposition:
        """Answer the waiters that a result suits, and release the lease.

        If subscribers may have missed a change, their waiter stays parked, and gets another job.
        """
        await self._answer_requests(task, claimed, result, waiters)
        live = [waiter for waiter in waiters if waiter.is_live and suits(waiter, result)]
        if live and await self.late_tags.link(task, claimed, result):
            await self.updates.publish(task.key, claimed.token, live, result)
        return await self._release(task, claimed)

    async def _answer_requests(
        self,
        task: Task,
        claimed: Claimed,
        result: Result,
        waiters: Sequence[Waiter],
        state: CacheState = CacheState.MISS,
    ) -> None:
        suited = [waiter for waiter in waiters if not waiter.is_live and suits(waiter, result)]
        permitted, refused = split_by_right(task.compute, task.job.params, suited)
        await self.answers.answer(task.key, claimed.token, permitted, result, state)
        await self.answers.refuse(task.key, refused, forbidden(task.compute.name))

    async def _send_result(self, task: Task, waiters: Sequence[Waiter], result: Result) -> list[Waiter]:
        """Answer waiters while Redis is away; return those that need no further answer."""
        permitted, refused = split_by_right(task.compute, task.job.params, waiters)
        told = await self.answers.send_result(task.key, permitted, result)
        return [*told, *await self.answers.send_error(refused, forbidden(task.compute.name))]

    async def _refuse(self, task: Task, waiters: Sequence[Waiter], error: PushasideError) -> None:
        await self.answers.refuse(task.key, [waiter for waiter in waiters if not waiter.is_live], error)
        if live := [waiter for waiter in waiters if waiter.is_live]:
            await self.updates.give_up(task.key, live)

    async def _release(self, task: Task, claimed: Claimed) -> Disposition:
        """Release the lease, and send another job if waiters remain.

        That job has this one's token: if this worker dies before sending it, this job's guardian can claim the key.

        Raises:
            QueueUnavailableError: the queue did not take the job; the next request can have the lease.

        """
        if await self.leases.release(task.key, claimed.token, task.job.token) > 0:
            try:
                await self._send(*with_guardian(task.job.follow_up()))
            except QueueUnavailableError:
                await self.leases.unqueue(task.key, task.job.token)
                raise
        return Disposition.DONE

    async def _fail(
        self, task: Task, claimed: Claimed, waiters: Sequence[Waiter], error: TransientError
    ) -> Disposition:
        """Retry the job; after the last attempt answer all waiters, with a stale result if there is one."""
        parked = await self.leases.waiters(task.key)
        if task.job.kind is JobKind.REFRESH and not parked:
            await self._rest(task)
            return await self._release(task, claimed)
        if task.attempt < MAX_ATTEMPTS:
            await self.leases.release(task.key, claimed.token, task.job.token)
            # A takeover has sent the next guardian already, which is the next attempt.
            return Disposition.DONE if task.job.kind is JobKind.GUARDIAN else Disposition.AGAIN
        _log_the_end(task, error)
        waiters = _union(parked, waiters)
        if (stale := self._stale_for_error(claimed)) is not None:
            await self._answer_requests(task, claimed, stale, waiters, CacheState.STALE)
            await self._rest(task)
            waiters = [waiter for waiter in waiters if waiter.is_live or not suits(waiter, stale)]
        await self._refuse(task, waiters, error)
        disposition = await self._release(task, claimed)
        # Subscribers receive no errors: after the last attempt their job goes to the dead letters.
        return Disposition.AGAIN if task.job.kind is JobKind.LIVE else disposition

    def _stale_for_error(self, claimed: Claimed) -> Result | None:
        """Return the stored result if it may be answered instead of an error (RFC 5861, stale-if-error)."""
        stored = claimed.result
        if stored is None or stored.status is Status.FAILURE:
            return None
        return None if judge(stored, self.now_ms()) is Freshness.UNUSABLE else stored

    async def _rest(self, task: Task) -> None:
        """Stop refreshes of a key whose compute fails, for its failure time; requests get the stale result."""
        await self.leases.rest(task.key, int(task.compute.failure_ttl_seconds * 1000))

    async def _run_without_cache(self, task: Task, waiters: Sequence[Waiter]) -> Disposition:
        """Compute for the waiters that came with the jobs. Guardians and subscribers wait until Redis answers again."""
        self.counter.count(Metric.CACHE_UNAVAILABLE)
        if _needs_cache(task):
            return Disposition.LATER
        try:
            result = await self.computing.compute(task)
        except TransientError as exc:
            if task.attempt < MAX_ATTEMPTS:
                return Disposition.AGAIN
            _log_the_end(task, exc)
            return done_if(await self.answers.send_error(waiters, exc), waiters)
        told = await self._send_result(task, waiters, result)
        await self._answer_parked(task, result)
        return done_if(told, waiters)

    async def _answer_parked(self, task: Task, result: Result) -> None:
        """Answer waiters that were parked during the compute, by functions that reached Redis earlier than this one.

        Changes of the sources during the compute were not noticed, so the result is stored as stale.
        """
        try:
            claimed = await self.leases.claim(task.key, task.job.token, LEASE_TERM_MS, {})
            if isinstance(claimed, Busy):
                return
            stored = claimed.result
            if stored is not None and stored.computed_at_ms >= result.computed_at_ms:
                await self._answer(task, claimed, stored, await self.leases.waiters(task.key))
                return
            kept = replace(result, is_invalidated=True)
            filled = await self.leases.fill(task.key, claimed, kept, LEASE_TERM_MS, self.now_ms())
            await self._answer_filled(task, claimed, kept, filled, filled.waiters)
        except CacheUnavailableError as exc:
            logger.info("Redis still does not answer: %s", exc.message)

    async def _send(self, *jobs: Outgoing) -> None:
        await asyncio.to_thread(self.jobs.send, jobs)


def _log_the_end(task: Task, error: PushasideError) -> None:
    """Log that no attempt is left, with the traceback of the last one unless the log has it already."""
    is_new = isinstance(error, TransientError) and not isinstance(error, LoggedFailureError)
    fields = {**describe(task), "is_last": True}
    sentence = "%s failed in all %d attempts: %s"
    exc_info = error if is_new else None
    logger.error(sentence, task.key.storage, MAX_ATTEMPTS, error.message, exc_info=exc_info, extra=fields)


def _needs_cache(task: Task) -> bool:
    return task.job.kind in (JobKind.GUARDIAN, JobKind.LIVE)


def _union(waiters: Sequence[Waiter], others: Sequence[Waiter]) -> list[Waiter]:
    return list(dict.fromkeys((*waiters, *others)))


def _without(waiters: Sequence[Waiter], others: Set[Waiter]) -> list[Waiter]:
    return [waiter for waiter in waiters if waiter not in others]
