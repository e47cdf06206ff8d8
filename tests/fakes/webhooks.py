"""In-memory stand-ins for what deliveries to webhooks and topics are kept in and sent by."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec.structs import replace

from push.computes import Tenant
from push.durable.ports import AttemptOutcome, WebhookAnswer
from push.durable.requests import Attempt, DeliveryState, RequestRecord, RequestStatus, WebhookJob
from push.durable.webhook_delivering import KEPT_ATTEMPTS
from push.durable.webhook_endpoints import FailingEndpoint
from push.durable.webhook_targets import WebhookUrl
from push.errors import QueueUnavailableError, TransientError


async def no_delay() -> None:
    return


class FakeAttempts:
    """`DeliveryAttempts` in a dict; a worker may die where `delay` is awaited."""

    def __init__(self, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._delay = delay
        self.records: dict[str, RequestRecord] = {}
        self.is_down = False

    def put(self, record: RequestRecord) -> None:
        self.records[record.name] = record

    async def claim(self, job: WebhookJob, now_ms: int, until_ms: int) -> RequestRecord | None:
        await self._step()
        name = job.name
        record = self.records.get(name)
        if record is None or record.status is RequestStatus.PENDING or record.delivery is DeliveryState.DELIVERED:
            return None
        is_over = 0 < record.attempt_until_ms <= now_ms
        if record.attempt_count != job.attempt - 1 and not (record.attempt_count == job.attempt and is_over):
            return None
        self.records[name] = replace(record, attempt_count=job.attempt, attempt_until_ms=until_ms)
        await self._delay()
        return self.records[name]

    async def read(self, job: WebhookJob) -> RequestRecord | None:
        await self._step()
        return self.records.get(job.name)

    async def end(
        self, claimed: RequestRecord, attempt: Attempt, state: DeliveryState, next_attempt_at_ms: int | None
    ) -> bool:
        await self._step()
        name = claimed.name
        record = self.records[name]
        held = (claimed.attempt_count, claimed.attempt_until_ms)
        if (record.attempt_count, record.attempt_until_ms) != held:
            return False
        self.records[name] = replace(
            record,
            delivery=state,
            attempts=(*claimed.attempts, attempt)[-KEPT_ATTEMPTS:],
            attempt_until_ms=0,
            next_attempt_at_ms=next_attempt_at_ms,
        )
        await self._delay()
        return True

    async def _step(self) -> None:
        await self._delay()
        if self.is_down:
            raise TransientError("The records are down.")


class FakeEndpoints:
    """`WebhookEndpoints` in a dict."""

    def __init__(self) -> None:
        self.known: dict[tuple[Tenant, str], FailingEndpoint] = {}

    def read_disabled(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        known = self.known.get((tenant, url))
        is_disabled = known is not None and known.disabled_at_ms is not None and not known.is_trial_due(now_ms)
        return known if is_disabled else None

    async def read(self, tenant: Tenant, url: str) -> FailingEndpoint | None:
        return self.known.get((tenant, url))

    async def begin_trial(self, tenant: Tenant, endpoint: FailingEndpoint, now_ms: int) -> bool:
        known = self.known.get((tenant, endpoint.url))
        if known is None or known.disabled_at_ms != endpoint.disabled_at_ms:
            return False
        self.known[tenant, endpoint.url] = replace(known, disabled_at_ms=now_ms)
        return True

    async def note_failure(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        known = self.known.get((tenant, url)) or FailingEndpoint(url, now_ms, 0)
        self.known[tenant, url] = replace(known, failures=known.failures + 1)
        return self.known[tenant, url]

    async def disable(self, tenant: Tenant, url: str, reason: str, now_ms: int) -> bool:
        known = self.known.get((tenant, url))
        if known is None or known.disabled_at_ms is not None:
            return False
        self.known[tenant, url] = replace(known, disabled_at_ms=now_ms, reason=reason)
        return True

    async def note_success(self, tenant: Tenant, url: str) -> None:
        self.known.pop((tenant, url), None)


class FakeWebhookQueue:
    """`WebhookQueue` into a list, with the delays."""

    def __init__(self) -> None:
        self.sent: list[tuple[WebhookJob, int]] = []
        self.is_down = False

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        assert 0 <= delay_seconds <= 900, "SQS delays by 15 minutes at most"
        self.sent += [(job, delay_seconds) for job in jobs]


class FakeSender:
    """`AnswerSender` that gives the outcomes it is given, and succeeds when there are none left."""

    def __init__(self, *outcomes: AttemptOutcome | TransientError) -> None:
        self.outcomes = deque(outcomes)
        self.sent: list[RequestRecord] = []

    async def send(self, record: RequestRecord) -> AttemptOutcome:
        self.sent.append(record)
        outcome = self.outcomes.popleft() if self.outcomes else AttemptOutcome(200)
        if isinstance(outcome, TransientError):
            raise outcome
        return outcome


class FakeClient:
    """`WebhookClient` that gives the answers it is told to, and 200 when there are none left."""

    def __init__(self, *answers: WebhookAnswer) -> None:
        self.answers = deque(answers)
        self.posts: list[tuple[WebhookUrl, Mapping[str, str], bytes]] = []

    async def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        self.posts.append((url, headers, body))
        return self.answers.popleft() if self.answers else WebhookAnswer(200)


class FakePayloads:
    """`Payloads` in a dict."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        self.stored[name] = data

    async def store(self, name: str, data: bytes) -> None:
        self.put(name, data)

    def link(self, name: str, seconds: int) -> str:
        return f"https://bucket.example/{name}?seconds={seconds}"


class FakeTopics:
    """`SnsPublisher` that keeps what was published."""

    def __init__(self, *outcomes: AttemptOutcome) -> None:
        self.outcomes = deque(outcomes)
        self.published: list[tuple[str, str, Mapping[str, str]]] = []

    async def publish(self, arn: str, message: str, attributes: Mapping[str, str]) -> AttemptOutcome:
        self.published.append((arn, message, attributes))
        return self.outcomes.popleft() if self.outcomes else AttemptOutcome(200)
