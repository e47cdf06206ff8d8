"""Durable requests in their queue: each is asked like a client's request, repeatedly, until its record is settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from push.cache.jobs import Waiter
from push.callers import Caller, JsonClaims
from push.durable.ports import RequestQueue, RequestRecords, WebhookQueue
from push.durable.recording import Recorder
from push.durable.requests import (
    FIRST_LOOK_SECONDS,
    QueuedRequest,
    RequestRecord,
    RequestStatus,
    WebhookJob,
    parse_queued_request,
)
from push.errors import ErrorCode, PushasideError, QueueUnavailableError, RequestError, TransientError
from push.protocol.messages import Request
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies
from request.asking.client_requests import ClientRequests
from request.asking.engine import Answer

logger = logging.getLogger(__name__)


class Message(msgspec.Struct, frozen=True):
    """A received message of the request queue."""

    message_id: str
    body: str


class _Look(msgspec.Struct, frozen=True):
    """The outcome of one look at a request: over, failed, or `request` has another look after so many seconds."""

    message_id: str
    request: QueuedRequest | None = None
    delay_seconds: int = 0
    is_failed: bool = False


class QueuedRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Looks at durable requests for one execution environment.

    A message is deleted only when the request's record is settled and its delivery has begun, or when the message of
    the next look is durable. So the queue alone carries a request to its end.

    Args:
        client_requests: answers requests, or parks them.
        records: the records of durable requests.
        recorder: settles records.
        queue: receives the next looks.
        webhooks: the queue where the delivery of settled requests begins.
        now_ms: the clock, in milliseconds since 1970.
        bodies: unpacks message bodies.

    """

    client_requests: ClientRequests
    records: RequestRecords
    recorder: Recorder
    queue: RequestQueue
    webhooks: WebhookQueue
    now_ms: Callable[[], int]
    bodies: QueueBodies = INLINE_BODIES

    async def consume(self, messages: Sequence[Message]) -> list[str]:
        """Look at a batch of requests, and return the ids of the messages to redeliver."""
        looks = await asyncio.gather(*map(self._look, messages))
        failed = [look.message_id for look in looks if look.is_failed]
        again = [(look, look.request.next_look()) for look in looks if look.request is not None]
        if again:
            try:
                requests = [(request, look.delay_seconds) for look, request in again]
                await asyncio.to_thread(self.queue.send, requests)
            except QueueUnavailableError as exc:
                logger.warning("%d requests are redelivered: %s", len(again), exc.message)
                failed += [look.message_id for look, _ in again]
        return failed

    async def _look(self, message: Message) -> _Look:
        try:
            request = parse_queued_request(await self.bodies.unpack(message.body))
            return await self._look_at(message.message_id, request)
        except RequestError as exc:
            logger.warning("a message is not a request of this version: %s", exc.message)
        except TransientError as exc:
            logger.warning("a request is redelivered: %s", exc.message)
        except Exception:
            # A defect of this function must not redeliver the rest of the batch.
            logger.exception("a request is redelivered")
        return _Look(message.message_id, is_failed=True)

    async def _look_at(self, message_id: str, request: QueuedRequest) -> _Look:
        try:
            is_over = await self._advance(request)
        except TransientError as exc:
            logger.warning("the request %s has another look: %s", request.name, exc.message)
            is_over = False
        if is_over:
            return _Look(message_id)
        seconds = request.seconds_to_next_look(self.now_ms())
        if self.now_ms() >= request.deadline_at_ms:
            # Only its record is left to settle, and the table does not answer: there is no hurry.
            seconds = max(seconds, FIRST_LOOK_SECONDS)
        return _Look(message_id, request, seconds)

    async def _advance(self, request: QueuedRequest) -> bool:
        """Take the next step of a request, and return whether it is over.

        Raises:
            TransientError: the records or a queue did not answer; a retry is safe.

        """
        record = await asyncio.to_thread(self._find_or_record, request)
        if record is not None and record.fingerprint != request.fingerprint:
            logger.warning("another request was accepted as %s, so this message is dropped", request.name)
            return True
        if record is not None and record.status is not RequestStatus.PENDING:
            await self._begin_delivery(record)
            return True
        if record is not None:
            # A request may have two messages: the times in its record count.
            times = {"accepted_at_ms": record.accepted_at_ms, "deadline_at_ms": record.deadline_at_ms}
            request = msgspec.structs.replace(request, **times)
        return await self._ask(request)

    def _find_or_record(self, request: QueuedRequest) -> RequestRecord | None:
        """Return a request's record; None if this call creates it."""
        record = self.records.read(request.tenant, request.principal, request.id)
        if record is None and not self.records.put(request):
            return self.records.read(request.tenant, request.principal, request.id)
        return record

    async def _begin_delivery(self, record: RequestRecord) -> None:
        """Start the delivery of a settled request, unless an attempt is recorded already."""
        if not record.deliver.poll and record.attempt_count == 0:
            await self.webhooks.send([WebhookJob(record.tenant, record.id, principal=record.principal)])

    async def _ask(self, request: QueuedRequest) -> bool:
        """Request the result as a client does, and return whether the durable request is settled."""
        now_ms = self.now_ms()
        waiter = Waiter("", request.id, tenant=request.tenant, principal=request.principal)
        if now_ms >= request.deadline_at_ms:
            return not await self.recorder.settle_with_error([waiter], PushasideError(code=ErrorCode.TIMEOUT))
        try:
            caller = Caller(request.tenant, request.principal, claims=JsonClaims(request.claims))
            answer = self.client_requests.answer(_as_request(request, now_ms), caller)
        except RequestError as exc:
            # It was valid when it was accepted; the computes on offer or the principal's right have changed since.
            return not await self.recorder.settle_with_error([waiter], exc)
        if not isinstance(answer, Answer):
            return False
        return not await self.recorder.settle_with_result(answer.key, [waiter], answer.result, answer.state)


def _as_request(request: QueuedRequest, now_ms: int) -> Request:
    """Return the request as a client would send it now; `max_age` still counts from its acceptance."""
    max_age = request.max_age
    if max_age is not None:
        # Half a millisecond more survives the truncation to milliseconds, so each look parks the same waiter.
        max_age = (int(max_age * 1000) + now_ms - request.accepted_at_ms + 0.5) / 1000
    return Request(request.id, request.compute, request.params, max_age, request.deadline_at_ms - now_ms)
