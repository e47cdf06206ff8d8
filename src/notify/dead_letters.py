"""Jobs that failed in every attempt: their waiters get an error, or a stored result."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from push.authorizing import forbidden
from push.cache.freshness import Freshness, judge
from push.cache.jobs import LEASE_TERM_MS, Job, Waiter, parse_job
from push.cache.ports import Busy, Claimed, Leases
from push.computes import AnyCompute, Registry
from push.delivery.rights import split_by_right
from push.delivery.waiter_answers import WaiterAnswers, suits
from push.errors import CacheUnavailableError, ErrorCode, PushasideError, RequestError
from push.keys import Key, make_key
from push.metrics import Counter, Metric
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Ends dead jobs for one execution environment.

    Args:
        registry: the computes on offer.
        leases: the leases and the parked waiters.
        answers: answers waiters.
        counter: counts dead letters.
        now_ms: the clock, in milliseconds since 1970.
        bodies: unpacks message bodies.

    """

    registry: Registry
    leases: Leases
    answers: WaiterAnswers
    counter: Counter
    now_ms: Callable[[], int]
    bodies: QueueBodies = INLINE_BODIES

    async def end(self, body: str) -> None:
        """Answer the waiters of a dead job, unless another worker has its key by now.

        Raises:
            TransientError: some waiters may not be answered; a retry is safe.

        """
        self.counter.count(Metric.DEAD_LETTER)
        try:
            job = parse_job(await self.bodies.unpack(body))
        except RequestError as exc:
            logger.warning("a dead letter is not a job, so no waiter can be answered: %s", exc.message)
            return
        logger.error("dead job of %s for tenant %s in attempt %d", job.compute, job.tenant, job.attempt)
        own = [job.waiter] if job.waiter is not None else []
        try:
            key = self._find_key(job)
            claimed = await self.leases.claim(key, job.token, LEASE_TERM_MS, {})
        except RequestError as exc:
            await self.answers.send_error(own, exc)
            return
        except CacheUnavailableError:
            # Other waiters may be parked: the dead letter is redelivered until Redis answers and they are answered.
            await self.answers.send_error(own, _failure())
            raise
        if not isinstance(claimed, Busy):
            await self._end_claimed(key, job, claimed, own)

    def _find_key(self, job: Job) -> Key:
        compute = self.registry.find(job.compute)
        return make_key(job.tenant, compute, compute.parse_params(job.params), job.principal)

    async def _end_claimed(self, key: Key, job: Job, claimed: Claimed, own: list[Waiter]) -> None:
        """Answer with the stored result if it suits, because only the answering may have failed; else with the error.

        The subscribers' waiter stays parked: the next fill of the key answers it.
        """
        parked = [waiter for waiter in await self.leases.waiters(key) if not waiter.is_live]
        waiters = list(dict.fromkeys((*parked, *own)))
        stored = claimed.result
        if stored is not None and judge(stored, self.now_ms()) is not Freshness.UNUSABLE:
            suited = [waiter for waiter in waiters if suits(waiter, stored)]
            compute: AnyCompute = self.registry.find(job.compute)
            permitted, refused = split_by_right(compute, job.params, suited)
            await self.answers.answer(key, claimed.token, permitted, stored)
            await self.answers.refuse(key, refused, forbidden(compute.name))
            waiters = [waiter for waiter in waiters if waiter not in suited]
        await self.answers.refuse(key, waiters, _failure())
        if await self.leases.release(key, claimed.token, job.token) > 0:
            await self.leases.unqueue(key, job.token)


def _failure() -> PushasideError:
    return PushasideError("The compute failed in every attempt.", code=ErrorCode.COMPUTE_FAILED)
