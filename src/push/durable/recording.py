"""Settling of durable requests: writes answers into their records and starts their delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec
from backports import zstd

from push.cache.jobs import Waiter
from push.computes import Tenant
from push.durable.ports import RequestRecords, SettleOutcome, WebhookQueue
from push.durable.requests import RequestStatus, Settlement, WebhookJob
from push.errors import PushasideError, TransientError
from push.keys import Key
from push.metrics import Counter, Metric
from push.protocol.frames import CacheState, render_error, render_result, render_result_head
from push.protocol.payloads import LINK_FROM_BYTES, payload_name
from push.results import Result, Status

INLINE_BYTES = 256 * 1024
"""The part of a record for the answer; a record holds 400 KB ("Service, account, and table quotas in Amazon
DynamoDB")."""

_SETTLED_AT_A_TIME = 20
"""Bounds the memory of the answers."""

StorePayload = Callable[[str, bytes], Awaitable[None]]


class Recorder(msgspec.Struct, frozen=True, kw_only=True):
    """`push.delivery.ports.AnswerRecorder` for one execution environment.

    Args:
        records: the records of durable requests.
        queue: the queue that starts their delivery.
        store_payload: stores data under a name, as `Payloads.put` does, without blocking the event loop.
        counter: counts settled requests, and those whose record or queue was not reached.
        now_ms: the clock, in milliseconds since 1970.

    """

    records: RequestRecords
    queue: WebhookQueue
    store_payload: StorePayload
    counter: Counter
    now_ms: Callable[[], int]

    async def record_result(self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState) -> None:
        """See `AnswerRecorder.record_result`."""
        await self.settle_with_result(key, waiters, result, state)

    async def record_error(self, waiters: Sequence[Waiter], error: PushasideError) -> None:
        """See `AnswerRecorder.record_error`."""
        await self.settle_with_error(waiters, error)

    async def settle_with_result(
        self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState
    ) -> list[Waiter]:
        """Settle as `record_result` does, and return the waiters to retry."""
        try:
            payload = await self._place(key, result)
        except TransientError:
            self.counter.count(Metric.UNRECORDED, len(waiters))
            return list(waiters)
        now_ms = self.now_ms()
        status = RequestStatus.FAILED if result.status is Status.FAILURE else RequestStatus.DONE

        def settle(waiter: Waiter) -> Settlement:
            answer = _render(waiter.request_id, key, result, state, now_ms, payload)
            return Settlement(Tenant(waiter.tenant), waiter.request_id, status, answer, payload, waiter.principal)

        return await self._settle(waiters, settle)

    async def settle_with_error(self, waiters: Sequence[Waiter], error: PushasideError) -> list[Waiter]:
        """Settle as `record_error` does, and return the waiters to retry."""

        def settle(waiter: Waiter) -> Settlement:
            answer = render_error(waiter.request_id, error).encode()
            return Settlement(
                Tenant(waiter.tenant), waiter.request_id, RequestStatus.FAILED, answer, principal=waiter.principal
            )

        return await self._settle(waiters, settle)

    async def _place(self, key: Key, result: Result) -> str:
        """Return the name of the payload that holds the data; empty if the records hold it.

        Raises:
            TransientError: the payload could not be stored.

        """
        if result.status is Status.FAILURE or len(result.data) <= INLINE_BYTES:
            return ""
        name = payload_name(key, result.etag)
        if len(result.data) >= LINK_FROM_BYTES:
            return name  # the worker stored it before the fill
        if len(zstd.compress(result.data)) <= INLINE_BYTES:
            return ""
        await self.store_payload(name, result.data)
        return name

    async def _settle(self, waiters: Sequence[Waiter], settle: Callable[[Waiter], Settlement]) -> list[Waiter]:
        """Settle each request once, however often it was parked."""
        requests = {(each.tenant, each.principal, each.request_id): each for each in waiters}
        left: list[Waiter] = []
        for some in _chunks(list(requests.values())):
            left += await self._settle_some(some, [settle(each) for each in some])
        if left:
            self.counter.count(Metric.UNRECORDED, len(left))
        return left

    async def _settle_some(self, waiters: Sequence[Waiter], settlements: Sequence[Settlement]) -> list[Waiter]:
        outcomes = await self.records.settle(settlements, self.now_ms())
        left, to_deliver = [], []
        for waiter, settlement, settled in zip(waiters, settlements, outcomes, strict=True):
            match settled.outcome:
                case SettleOutcome.UNREACHED:
                    left.append(waiter)
                case SettleOutcome.SETTLED:
                    self.counter.count(Metric.SETTLED, dimension=("Status", settlement.status))
                    if settled.deliver is not None and not settled.deliver.poll:
                        to_deliver.append(waiter)
                case SettleOutcome.OVER:
                    # The worker that settled it started its delivery; if not, the request's queue message will.
                    continue
        return left + await self._begin_delivery(to_deliver)

    async def _begin_delivery(self, waiters: Sequence[Waiter]) -> list[Waiter]:
        """Return the waiters whose delivery was not started."""
        if not waiters:
            return []
        try:
            jobs = [WebhookJob(Tenant(each.tenant), each.request_id, principal=each.principal) for each in waiters]
            await self.queue.send(jobs)
        except TransientError:
            return list(waiters)
        return []


def _render(request_id: str, key: Key, result: Result, state: CacheState, now_ms: int, payload: str) -> bytes:
    """Render the message for the record: whole, or without the data if a payload holds it."""
    subject = (request_id, key, result, state, now_ms)
    message = render_result_head(*subject) + "}" if payload else render_result(*subject)
    return message.encode()


def _chunks(waiters: Sequence[Waiter]) -> Iterator[Sequence[Waiter]]:
    for start in range(0, len(waiters), _SETTLED_AT_A_TIME):
        yield waiters[start : start + _SETTLED_AT_A_TIME]
