"""Delivery of settled requests to webhooks and SNS topics: attempts until one succeeds or none is left.

A delivery is always either one message of the webhook queue, or an attempt of a worker whose message is redelivered if
it dies. The record tells which attempt is next, so a message that SQS delivers twice does no harm. A worker claims an
attempt before it makes it, and records the outcome before it sends the next job.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from push.durable.ports import AnswerSender, AttemptOutcome, DeliveryAttempts, WebhookQueue
from push.durable.requests import Attempt, DeliveryState, RequestRecord, WebhookJob
from push.durable.webhook_schedule import hop_seconds, next_attempt_at_ms
from push.metrics import Counter, Metric

ATTEMPT_MS = 30_000
"""The function's timeout, so no worker lives longer: an older claim belongs to a worker that died."""

KEPT_ATTEMPTS = 20


class WebhookDeliverer(msgspec.Struct, frozen=True, kw_only=True):
    """Delivers answers for one execution environment.

    Args:
        attempts: the records of durable requests.
        queue: the queue of jobs, each delayed until its next attempt.
        dead_letters: the queue of jobs that failed for good, each numbered as the attempt after its last.
        webhooks: sends to URLs.
        topics: sends to SNS topics.
        counter: counts outcomes.
        now_ms: the clock, in milliseconds since 1970.
        random: returns a number in [0, 1); spreads retries.

    """

    attempts: DeliveryAttempts
    queue: WebhookQueue
    dead_letters: WebhookQueue
    webhooks: AnswerSender
    topics: AnswerSender
    counter: Counter
    now_ms: Callable[[], int]
    random: Callable[[], float]

    async def deliver(self, job: WebhookJob) -> None:
        """Process a job: requeue it until it is due, or make its attempt and send the next job.

        Raises:
            TransientError: the job must be redelivered.

        """
        now_ms = self.now_ms()
        if hop_seconds(job.not_before_ms, now_ms):
            await self._send_at(job, job.not_before_ms)
            return
        claimed = await self.attempts.claim(job, now_ms, now_ms + ATTEMPT_MS)
        if claimed is None:
            await self._resume(job)
            return
        outcome = await (self.topics if claimed.deliver.sns is not None else self.webhooks).send(claimed)
        await self._end(job, claimed, outcome, now_ms)

    async def _end(self, job: WebhookJob, claimed: RequestRecord, outcome: AttemptOutcome, began_at_ms: int) -> None:
        now_ms = self.now_ms()
        state, next_at_ms = self._judge(job, outcome, now_ms)
        attempt = Attempt(began_at_ms, now_ms - began_at_ms, outcome.status, outcome.error)
        if await self.attempts.end(claimed, attempt, state, next_at_ms):
            self.counter.count(Metric.WEBHOOK_ATTEMPT, dimension=("Outcome", state))
            await self._go_on(job, state, next_at_ms)

    def _judge(self, job: WebhookJob, outcome: AttemptOutcome, now_ms: int) -> tuple[DeliveryState, int | None]:
        """Return the delivery's state after an outcome, and when the next attempt is due."""
        if not outcome.error:
            return DeliveryState.DELIVERED, None
        next_at_ms = next_attempt_at_ms(job.attempt, now_ms, self.random(), outcome.retry_after_seconds)
        if outcome.is_final or next_at_ms is None:
            return DeliveryState.FAILED, None
        return DeliveryState.RETRYING, next_at_ms

    async def _resume(self, job: WebhookJob) -> None:
        """Handle a job whose attempt was not claimed: in progress, made before, or of an expired request."""
        record = await self.attempts.read(job)
        if record is None:
            self.counter.count(Metric.WEBHOOK_ATTEMPT, dimension=("Outcome", "forgotten"))
        elif record.attempt_count != job.attempt:
            # SQS delivered the message twice, and the other copy was processed.
            return
        elif record.attempt_until_ms:
            # The attempt's worker may die, and this may be the only message left.
            await self._send_at(job, record.attempt_until_ms)
        else:
            # The attempt's worker died before it sent the next job, or this is a copy of a processed message.
            await self._go_on(job, record.delivery, record.next_attempt_at_ms)

    async def _go_on(self, job: WebhookJob, state: DeliveryState, next_attempt_at_ms: int | None) -> None:
        attempt = job.attempt + 1
        if state is DeliveryState.FAILED:
            await self.dead_letters.send([msgspec.structs.replace(job, attempt=attempt, not_before_ms=0)])
        elif state is DeliveryState.RETRYING:
            due_at_ms = next_attempt_at_ms or 0
            await self._send_at(msgspec.structs.replace(job, attempt=attempt, not_before_ms=due_at_ms), due_at_ms)

    async def _send_at(self, job: WebhookJob, due_at_ms: int) -> None:
        await self.queue.send([job], max(1, hop_seconds(due_at_ms, self.now_ms())))
