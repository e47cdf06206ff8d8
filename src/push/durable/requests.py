"""Durable requests: their result goes to a webhook or an SNS topic, or is stored for polling.

A request is durable from the 202 on. Its queue message carries the whole request and is requeued until the request is
settled, so nothing else must survive. Its row holds the status and the answer.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Self

import msgspec

from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.keys import hash_principal
from push.queues.escaping import escape_for_sqs

FIRST_LOOK_SECONDS = 10
LAST_LOOK_SECONDS = 300


class Deliver(msgspec.Struct, frozen=True, omit_defaults=True):
    """The destination of a result: exactly one of a webhook's URL, the ARN of an SNS topic, or polling."""

    webhook: str | None = None
    sns: str | None = None
    poll: bool = False


class RequestStatus(enum.StrEnum):
    """The status of a durable request."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class DeliveryState(enum.StrEnum):
    """The state of a settled request's delivery."""

    WAITING = "waiting"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"


class QueuedRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the request queue; times are milliseconds since 1970, `look` counts from 1."""

    tenant: Tenant
    principal: str
    id: str
    compute: str
    params: msgspec.Raw
    deliver: Deliver
    accepted_at_ms: int
    deadline_at_ms: int
    max_age: float | None = None
    look: int = 1
    has_rule: bool = False
    """The compute has a rule `authorize`, which is asked again when the request is answered and read."""
    claims: str = ""
    """The claims of the principal's token, as JSON, for that rule."""

    @property
    def name(self) -> str:
        """Return the request's name in the table; ids are unique per principal."""
        return request_name(self.tenant, self.principal, self.id)

    @property
    def fingerprint(self) -> str:
        """Return a hash that distinguishes this request from a different one under the same id.

        It is the same before and after the queue, which may escape the params.
        """
        asked = _encoder.encode((self.compute, self.params, self.deliver, self.max_age))
        return hashlib.sha256(escape_for_sqs(asked.decode()).encode()).hexdigest()

    def next_look(self) -> Self:
        """Return this request with the next look's number."""
        return msgspec.structs.replace(self, look=self.look + 1)

    def seconds_to_next_look(self, now_ms: int) -> int:
        """Return the delay until the next look: longer each time, and not past the deadline."""
        seconds = min(LAST_LOOK_SECONDS, FIRST_LOOK_SECONDS << min(self.look - 1, 10))
        return max(1, min(seconds, -(-(self.deadline_at_ms - now_ms) // 1000) + 1))


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to deliver, times in milliseconds; `status` is the receiver's, `error` says why it failed."""

    at_ms: int
    took_ms: int
    status: int | None = None
    error: str = ""


class RequestRecord(msgspec.Struct, frozen=True):
    """A durable request's row. `answer` is the `result` or `error` message; `payload` names its data if not inline."""

    tenant: Tenant
    id: str
    status: RequestStatus
    compute: str
    fingerprint: str
    deliver: Deliver
    accepted_at_ms: int
    deadline_at_ms: int
    settled_at_ms: int | None = None
    answer: bytes | None = None
    payload: str = ""
    delivery: DeliveryState = DeliveryState.WAITING
    attempt_count: int = 0
    attempt_until_ms: int = 0
    next_attempt_at_ms: int | None = None
    attempts: tuple[Attempt, ...] = ()
    principal: str = ""
    params: bytes | None = None
    """The params, if the compute has a rule `authorize`."""

    @property
    def name(self) -> str:
        """Return the request's name in the table."""
        return request_name(self.tenant, self.principal, self.id)


class Settlement(msgspec.Struct, frozen=True):
    """The end of a pending request: `answer` is its `result` or `error` message, `payload` names data stored apart."""

    tenant: Tenant
    id: str
    status: RequestStatus
    answer: bytes
    payload: str = ""
    principal: str = ""

    @property
    def name(self) -> str:
        """Return the request's name in the table."""
        return request_name(self.tenant, self.principal, self.id)


class WebhookJob(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the webhook queue: deliver a settled request from `not_before_ms` on; `attempt` counts from 1."""

    tenant: Tenant
    id: str
    attempt: int = 1
    not_before_ms: int = 0
    principal: str = ""

    @property
    def name(self) -> str:
        """Return the request's name in the table."""
        return request_name(self.tenant, self.principal, self.id)


_encoder = msgspec.json.Encoder()
_request_decoder = msgspec.json.Decoder(QueuedRequest)
_job_decoder = msgspec.json.Decoder(WebhookJob)


def request_name(tenant: Tenant, principal: str, request_id: str) -> str:
    """Return a request's name in the table.

    Tenants hold neither `~` nor `/`, so no two requests share a name. Requests of versions without principals, which
    are still in queues, have none.
    """
    return f"{tenant}~{hash_principal(principal)}/{request_id}" if principal else f"{tenant}/{request_id}"


def serialize_message(message: QueuedRequest | WebhookJob) -> str:
    """Serialize a message of the request queue or of the webhook queue."""
    return escape_for_sqs(_encoder.encode(message).decode())


def parse_queued_request(body: str) -> QueuedRequest:
    """Parse a message of the request queue.

    Raises:
        RequestError: it is not a request of this version.

    """
    try:
        return _request_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a request: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc


def parse_webhook_job(body: str) -> WebhookJob:
    """Parse a message of the webhook queue.

    Raises:
        RequestError: it is not a delivery of this version.

    """
    try:
        return _job_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a delivery: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
