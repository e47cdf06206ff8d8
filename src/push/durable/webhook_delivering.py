"""How settled requests get to webhooks and SNS topics: attempt after attempt, until one succeeds or none is left.

A delivery is at any time either one message of the webhook queue or an attempt that somebody works on, whose message
comes back if he dies. The record tells which attempt is next, so a message that SQS delivers twice does no harm: an
attempt is claimed before it is made, and what came of it is recorded before the next one is sent.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from push.durable.ports import AnswerSender, AttemptOutcome, DeliveryAttempts, WebhookQueue
from push.durable.requests import Attempt, DeliveryState, RequestRecord, WebhookJob
from push.durable.webhook_schedule import hop_seconds, next_attempt_at_ms
from push.metrics import Counter, Metric

ATTEMPT_MS = 30_000
"""No worker lives longer (the function's timeout): an attempt that is under way for longer was never ended."""

KEPT_ATTEMPTS = 20


class WebhookDeliverer:
    """Delivers for one execution environment.

    Args:
        attempts: the records.
        queue: where a job waits for its next attempt.
        dead_letters: where jobs go that failed for good, each as the attempt that would have been next.
        webhooks: sends to URLs.
        topics: sends to SNS topics.
        counter: where outcomes are counted.
        now_ms: the clock, in milliseconds since 1970.
        random: in [0, 1), spreads the next attempts.

    """

    def __init__(
        self,
        *,
        attempts: DeliveryAttempts,
        queue: WebhookQueue,
        dead_letters: WebhookQueue,
        webhooks: AnswerSender,
        topics: AnswerSender,
        counter: Counter,
        now_ms: Callable[[], int],
        random: Callable[[], float],
    ) -> None:
        self._attempts = attempts
        self._queue = queue
        self._dead_letters = dead_letters
        self._webhooks = webhooks
        self._topics = topics
        self._counter = counter
        self._now_ms = now_ms
        self._random = random

    async def deliver(self, job: WebhookJob) -> None:
        """Do what a message asks for: wait, or make its attempt and see to what follows.

        Raises:
            TransientError: the message must come back.

        """
        now_ms = self._now_ms()
        if hop_seconds(job.not_before_ms, now_ms):
            await self._send_at(job, job.not_before_ms)
            return
        claimed = await self._attempts.claim(job, now_ms, now_ms + ATTEMPT_MS)
        if claimed is None:
            await self._resume(job)
            return
        outcome = await (self._topics if claimed.deliver.sns is not None else self._webhooks).send(claimed)
        await self._end(job, claimed, outcome, now_ms)

    async def _end(self, job: WebhookJob, claimed: RequestRecord, outcome: AttemptOutcome, began_at_ms: int) -> None:
        now_ms = self._now_ms()
        state, next_at_ms = self._judge(job, outcome, now_ms)
        attempt = Attempt(began_at_ms, now_ms - began_at_ms, outcome.status, outcome.error)
        if await self._attempts.end(claimed, attempt, state, next_at_ms):
            self._counter.count(Metric.WEBHOOK_ATTEMPT, dimension=("Outcome", state))
            await self._go_on(job, state, next_at_ms)

    def _judge(self, job: WebhookJob, outcome: AttemptOutcome, now_ms: int) -> tuple[DeliveryState, int | None]:
        """Return what the delivery's state is after a outcome, and when the next attempt is due."""
        if not outcome.error:
            return DeliveryState.DELIVERED, None
        next_at_ms = next_attempt_at_ms(job.attempt, now_ms, self._random(), outcome.retry_after_seconds)
        if outcome.is_final or next_at_ms is None:
            return DeliveryState.FAILED, None
        return DeliveryState.RETRYING, next_at_ms

    async def _resume(self, job: WebhookJob) -> None:
        """See to a job whose attempt is not to be made now: under way, made before, or of a request that is gone."""
        record = await self._attempts.read(job.tenant, job.id)
        if record is None:
            self._counter.count(Metric.WEBHOOK_ATTEMPT, dimension=("Outcome", "forgotten"))
        elif record.attempt_count != job.attempt:
            # SQS delivered the message twice, and the other one has been worked on.
            return
        elif record.attempt_until_ms:
            # Its worker may die, and this may be the only message left.
            await self._send_at(job, record.attempt_until_ms)
        else:
            # Its worker died before it sent the next one, if this is not a message delivered twice.
            await self._go_on(job, record.delivery, record.next_attempt_at_ms)

    async def _go_on(self, job: WebhookJob, state: DeliveryState, next_attempt_at_ms: int | None) -> None:
        attempt = job.attempt + 1
        if state is DeliveryState.FAILED:
            await self._dead_letters.send([msgspec.structs.replace(job, attempt=attempt, not_before_ms=0)])
        elif state is DeliveryState.RETRYING:
            due_at_ms = next_attempt_at_ms or 0
            await self._send_at(msgspec.structs.replace(job, attempt=attempt, not_before_ms=due_at_ms), due_at_ms)

    async def _send_at(self, job: WebhookJob, due_at_ms: int) -> None:
        await self._queue.send([job], max(1, hop_seconds(due_at_ms, self._now_ms())))
