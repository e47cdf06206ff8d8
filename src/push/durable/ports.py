"""The outside as durable requests see it: their records and their queues.

Every method may raise the `TransientError` named in its docstring and no other error.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from push.computes import Tenant
from push.durable.requests import Attempt, Deliver, DeliveryState, QueuedRequest, RequestRecord, Settlement, WebhookJob
from push.durable.webhook_endpoints import FailingEndpoint
from push.durable.webhook_targets import WebhookUrl


class SettleOutcome(enum.StrEnum):
    """What became of an attempt to settle a request."""

    SETTLED = "settled"
    """It was pending, and is settled by this attempt."""
    OVER = "over"
    """It was settled before, or its record is no longer kept."""
    UNREACHED = "unreached"
    """The records did not answer; it may or may not be settled."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome, and with SETTLED where the answer goes."""

    outcome: SettleOutcome
    deliver: Deliver | None = None


class RequestRecords(Protocol):
    """The records of durable requests; a record belongs to a tenant, and another can't tell that it exists."""

    def put(self, request: QueuedRequest) -> bool:
        """Record a request as pending and return True; False if there is a record under its id, which stays as it is.

        Raises TransientError, and then it may be recorded.
        """

    def read(self, tenant: Tenant, request_id: str) -> RequestRecord | None:
        """Return a record with everything written before; None if there is none. Raises TransientError."""

    async def settle(self, settlements: Sequence[Settlement], now_ms: int) -> list[Settled]:
        """Settle requests that are pending, many at a time; of several attempts at one request the first counts.

        The outcomes are in the order of the settlements. Never raises: what was not reached is logged.
        """


class RequestQueue(Protocol):
    """The queue of durable requests that are not settled."""

    def send(self, requests: Sequence[tuple[QueuedRequest, int]]) -> None:
        """Send requests, each not to be seen before so many seconds; all are durable when it returns.

        Raises QueueUnavailableError, and then some may have been sent.
        """


class WebhookQueue(Protocol):
    """The queue of settled requests whose answer is to go to a webhook or an SNS topic."""

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        """Send jobs, not to be seen before so many seconds (900 at most); all are durable when it returns.

        Raises QueueUnavailableError, and then some may have been sent.
        """


class SnsPublisher(Protocol):
    """SNS, as those see it who publish."""

    async def publish(self, arn: str, message: str, attributes: Mapping[str, str]) -> AttemptOutcome:
        """Publish a message once. Never raises for what the service answers."""


class DeliveryAttempts(Protocol):
    """The records of durable requests, as those see it who deliver them."""

    async def claim(self, job: WebhookJob, now_ms: int, until_ms: int) -> RequestRecord | None:
        """Take the right to make a job's attempt until a time, atomically, and return the record as it is then.

        None if it is not the attempt that is next, or somebody makes it, or the request is delivered, is not settled
        or has no record. An attempt that was not ended in its time can be claimed again. Raises TransientError.
        """

    async def read(self, tenant: Tenant, request_id: str) -> RequestRecord | None:
        """Return a record with everything written before; None if there is none. Raises TransientError."""

    async def end(
        self, claimed: RequestRecord, attempt: Attempt, state: DeliveryState, next_attempt_at_ms: int | None
    ) -> bool:
        """Record what came of a claimed attempt; False if its time had passed and another has claimed it.

        The newest `KEPT_ATTEMPTS` are kept. Raises TransientError.
        """


class WebhookEndpoints(Protocol):
    """What is known of webhooks that fail. Those that work are not in it.

    What is noted is not worth a second attempt: the methods that note never raise, and log what was not reached.
    """

    def read_disabled(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """Return a URL that must not be used now; None if it may be, also for a trial. Raises TransientError."""

    async def read(self, tenant: Tenant, url: str) -> FailingEndpoint | None:
        """Return what is known of a URL; None if it works or was never used. Raises TransientError."""

    async def begin_trial(self, tenant: Tenant, endpoint: FailingEndpoint, now_ms: int) -> bool:
        """Take the one trial that is due, atomically; False if another has it. Raises TransientError."""

    async def note_failure(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """Count a failed attempt, and return what is known since; None if that was not reached. Never raises."""

    async def disable(self, tenant: Tenant, url: str, reason: str, now_ms: int) -> bool:
        """Disable a URL; False if it was disabled before. Never raises."""

    async def note_success(self, tenant: Tenant, url: str) -> None:
        """Forget what is known of a URL: it works. Never raises."""


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """What came of an attempt; without an error it succeeded. With `is_final` no other attempt would help."""

    status: int | None = None
    error: str = ""
    retry_after_seconds: float = 0.0
    is_final: bool = False


class AnswerSender(Protocol):
    """What sends a settled request's answer where it is to go."""

    async def send(self, record: RequestRecord) -> AttemptOutcome:
        """Make one attempt. Raises TransientError if none could be made for reasons of our own."""


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """A receiver's status and `Retry-After`, or the error that kept it from answering."""

    status: int | None = None
    retry_after: str = ""
    error: str = ""


class WebhookClient(Protocol):
    """What makes HTTP requests to hosts that others name."""

    async def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """Post once, to an address that is allowed and no other. Never raises for what the receiver does."""
