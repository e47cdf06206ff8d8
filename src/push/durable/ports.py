"""Ports of durable requests: their records, their queues, and the services that receive answers.

A method raises only the errors that its docstring names.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from push.computes import Tenant
from push.durable.requests import Attempt, Deliver, DeliveryState, QueuedRequest, RequestRecord, Settlement, WebhookJob
from push.durable.webhook_endpoints import FailingEndpoint

if TYPE_CHECKING:
    # Only the function that posts webhooks loads it, and with it the tables of idna.
    from push.durable.webhook_targets import WebhookUrl


class SettleOutcome(enum.StrEnum):
    """The outcome of an attempt to settle a request."""

    SETTLED = "settled"
    """This attempt settled the request."""
    OVER = "over"
    """The request was settled before, or its record expired."""
    UNREACHED = "unreached"
    """The records did not answer; the request may or may not be settled."""


class Settled(msgspec.Struct, frozen=True):
    """The outcome; with SETTLED, also where the answer goes."""

    outcome: SettleOutcome
    deliver: Deliver | None = None


class RequestRecords(Protocol):
    """The records of durable requests; a principal can't see that another principal's record exists."""

    def put(self, request: QueuedRequest) -> bool:
        """Record a request as pending and return True; False if its id has a record, which stays unchanged. Atomic.

        Raises TransientError; then the request may be recorded.
        """

    def read(self, tenant: Tenant, principal: str, request_id: str) -> RequestRecord | None:
        """Return a record with all earlier writes, or None. Raises TransientError."""

    async def settle(self, settlements: Sequence[Settlement], now_ms: int) -> list[Settled]:
        """Settle pending requests, many at a time; each request is settled by the first attempt only.

        The outcomes are in the order of the settlements. Never raises: the outcome UNREACHED is logged.
        """


class RequestQueue(Protocol):
    """The queue of durable requests that are not settled yet."""

    def send(self, requests: Sequence[tuple[QueuedRequest, int]]) -> None:
        """Send requests, each with its delay in seconds; all are durable when it returns.

        Raises QueueUnavailableError; then some may have been sent.
        """


class WebhookQueue(Protocol):
    """The queue of settled requests whose answer goes to a webhook or an SNS topic."""

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        """Send jobs with a delay (900 s at most); all are durable when it returns.

        Raises QueueUnavailableError; then some may have been sent.
        """


class SnsPublisher(Protocol):
    """The publisher to SNS topics."""

    async def publish(self, arn: str, message: str, attributes: Mapping[str, str]) -> AttemptOutcome:
        """Make one attempt to publish a message. Never raises for what the service answers."""


class DeliveryAttempts(Protocol):
    """The records of durable requests, for workers that deliver answers."""

    async def claim(self, job: WebhookJob, now_ms: int, until_ms: int) -> RequestRecord | None:
        """Claim a job's attempt until `until_ms`, atomically, and return the record.

        Returns None if another attempt is next, another worker holds the claim, or the request is delivered, not
        settled, or without a record. A claim that was not ended in time can be taken again. Raises TransientError.
        """

    async def read(self, job: WebhookJob) -> RequestRecord | None:
        """Return the record of a job's request with all earlier writes, or None. Raises TransientError."""

    async def end(
        self, claimed: RequestRecord, attempt: Attempt, state: DeliveryState, next_attempt_at_ms: int | None
    ) -> bool:
        """Record the outcome of a claimed attempt and return True; False if another worker has claimed it since.

        The record keeps the newest `KEPT_ATTEMPTS` attempts. Raises TransientError.
        """


class WebhookEndpoints(Protocol):
    """The records of webhook URLs that fail; a URL that works has no record.

    Recording is best effort: the methods that write a failure or a success never raise, and log what failed.
    """

    def read_disabled(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """Return the record of a URL that must not be used now; None if it may be used. Raises TransientError."""

    async def read(self, tenant: Tenant, url: str) -> FailingEndpoint | None:
        """Return the record of a URL; None if it works or was never used. Raises TransientError."""

    async def begin_trial(self, tenant: Tenant, endpoint: FailingEndpoint, now_ms: int) -> bool:
        """Claim the one trial that is due, atomically; False if another worker has it. Raises TransientError."""

    async def note_failure(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """Count a failed attempt and return the URL's record; None if it was not reached. Never raises."""

    async def disable(self, tenant: Tenant, url: str, reason: str, now_ms: int) -> bool:
        """Disable a URL and return True; False if it was disabled before. Never raises."""

    async def note_success(self, tenant: Tenant, url: str) -> None:
        """Remove the record of a URL that works. Idempotent. Never raises."""


class AttemptOutcome(msgspec.Struct, frozen=True):
    """The outcome of an attempt; it succeeded if `error` is empty. With `is_final`, retries would not help."""

    status: int | None = None
    error: str = ""
    retry_after_seconds: float = 0.0
    is_final: bool = False


class AnswerSender(Protocol):
    """A sender of a settled request's answer to its destination."""

    async def send(self, record: RequestRecord) -> AttemptOutcome:
        """Make one attempt. Raises TransientError if this service could not make it."""


class WebhookAnswer(msgspec.Struct, frozen=True):
    """A receiver's status and `Retry-After`, or the error if it did not answer."""

    status: int | None = None
    retry_after: str = ""
    error: str = ""


class WebhookClient(Protocol):
    """An HTTP client for URLs that callers choose."""

    async def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """Post once, and only to an allowed address. Never raises for what the receiver does."""
