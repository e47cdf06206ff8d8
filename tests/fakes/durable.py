"""In-memory stand-ins for what durable requests are kept in: their records, and the queues they travel through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from push.computes import Tenant
from push.durable.ports import Settled, SettleOutcome
from push.durable.requests import (
    QueuedRequest,
    RequestRecord,
    RequestStatus,
    Settlement,
    WebhookJob,
    parse_queued_request,
    request_name,
    serialize_message,
)
from push.errors import QueueUnavailableError, TransientError


class FakeRequestRecords:
    """`RequestRecords` in a dict; `settled` counts how often each request was.

    After `calls_to_failure` more calls one fails, if that is not None.
    """

    def __init__(self) -> None:
        self.records: dict[str, RequestRecord] = {}
        self.settled: Counter[str] = Counter()
        self.is_down = False
        self.calls_to_failure: int | None = None

    def put(self, request: QueuedRequest) -> bool:
        self._check()
        if request.name in self.records:
            return False
        self.records[request.name] = RequestRecord(
            tenant=request.tenant,
            id=request.id,
            status=RequestStatus.PENDING,
            compute=request.compute,
            fingerprint=request.fingerprint,
            deliver=request.deliver,
            accepted_at_ms=request.accepted_at_ms,
            deadline_at_ms=request.deadline_at_ms,
            principal=request.principal,
            params=bytes(request.params) if request.has_rule else None,
        )
        return True

    def read(self, tenant: Tenant, principal: str, request_id: str) -> RequestRecord | None:
        self._check()
        return self.records.get(request_name(tenant, principal, request_id))

    async def settle(self, settlements: Sequence[Settlement], now_ms: int) -> list[Settled]:
        return [self._settle(each, now_ms) for each in settlements]

    def _settle(self, settlement: Settlement, now_ms: int) -> Settled:
        if self._fails():
            return Settled(SettleOutcome.UNREACHED)
        name = settlement.name
        record = self.records.get(name)
        if record is None or record.status is not RequestStatus.PENDING:
            return Settled(SettleOutcome.OVER)
        self.records[name] = replace(
            record,
            status=settlement.status,
            answer=settlement.answer,
            payload=settlement.payload,
            settled_at_ms=now_ms,
        )
        self.settled[name] += 1
        return Settled(SettleOutcome.SETTLED, record.deliver)

    def _check(self) -> None:
        if self._fails():
            raise TransientError("The records are down.")

    def _fails(self) -> bool:
        if self.calls_to_failure is not None:
            self.calls_to_failure -= 1
            if self.calls_to_failure < 0:
                self.calls_to_failure = None
                return True
        return self.is_down


class FakeRequestQueue:
    """`RequestQueue` into a list of message bodies with their delays."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.is_down = False

    def send(self, requests: Sequence[tuple[QueuedRequest, int]]) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.sent += [(serialize_message(request), delay_seconds) for request, delay_seconds in requests]

    def take(self) -> list[tuple[QueuedRequest, int]]:
        """Return what was sent, and forget it."""
        taken, self.sent = self.sent, []
        return [(parse_queued_request(body), delay_seconds) for body, delay_seconds in taken]


class FakeWebhookQueue:
    """`WebhookQueue` into a list."""

    def __init__(self) -> None:
        self.sent: list[WebhookJob] = []
        self.is_down = False

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.sent += jobs
