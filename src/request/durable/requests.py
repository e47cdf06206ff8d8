"""Durable requests over HTTP: accepted once they are durable, and shown until their records expire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

import msgspec

from push.access.tokens import Identity
from push.callers import serialize_claims
from push.computes import AnyCompute, Registry, Tenant
from push.durable.ports import RequestQueue, RequestRecords
from push.durable.requests import Deliver, QueuedRequest, RequestRecord, RequestStatus
from push.errors import ErrorCode, RequestError
from push.protocol.messages import MAX_ID_BYTES, Id, Name
from request.asking.permission import check_permission

DEFAULT_DEADLINE_MS = 15 * 60 * 1000
MAX_DEADLINE_MS = 24 * 60 * 60 * 1000
MAX_WAIT_SECONDS = 25

_FIRST_PAUSE_SECONDS = 0.1
_LAST_PAUSE_SECONDS = 1.0

MAX_GUARDED_PARAMS_BYTES = 64 * 1024
"""The records of computes with a rule `authorize` hold the params, beside an answer of up to 256 KB."""

CheckDeliver = Callable[[Tenant, Deliver], None]


class NewRequest(msgspec.Struct, frozen=True):
    """The body of `POST /requests`; `max_age` is in seconds, and `deadline_ms` counts from its arrival."""

    compute: Name
    deliver: Deliver
    id: Id | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_DEADLINE_MS)] = DEFAULT_DEADLINE_MS
    max_age: Annotated[float, msgspec.Meta(ge=0)] | None = None


_decoder = msgspec.json.Decoder(NewRequest)


def parse_new_request(body: bytes) -> NewRequest:
    """Read and check the body of `POST /requests`.

    Raises:
        RequestError: the body is not JSON (`invalid_json`), or not a request (`invalid_message`).

    """
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise RequestError(f"The body is not a request: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
    except RecursionError as exc:
        raise RequestError("The body is nested too deeply.", code=ErrorCode.INVALID_JSON) from exc
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise RequestError(f"The body is not JSON: {exc}.", code=ErrorCode.INVALID_JSON) from exc
    deliver = request.deliver
    if (deliver.webhook is not None) + (deliver.sns is not None) + deliver.poll != 1:
        sentence = "`deliver` must name exactly one of `webhook` with a URL, `sns` with an ARN, and `poll` with true."
        raise RequestError(sentence, code=ErrorCode.INVALID_MESSAGE)
    if request.id is not None:
        _check_id(request.id)
    return request


def _check_id(request_id: str) -> None:
    if len(request_id.encode()) > MAX_ID_BYTES:
        raise RequestError(f"`id` is longer than {MAX_ID_BYTES} bytes of UTF-8.", code=ErrorCode.INVALID_MESSAGE)
    if "/" in request_id:
        raise RequestError("`id` must not contain `/`.", code=ErrorCode.INVALID_MESSAGE)


def id_of_key(idempotency_key: str) -> str:
    """Return the id of a request that was sent with an `Idempotency-Key` and without an id."""
    return f"ik-{hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]}"


class Acceptance(msgspec.Struct, frozen=True):
    """A durable request and its status."""

    id: str
    status: RequestStatus


class DurableRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Accepts durable requests and looks them up, for one execution environment.

    Args:
        registry: the computes on offer.
        records: the records of requests.
        queue: makes requests durable.
        check_deliver: raises RequestError if a tenant's results may not go to a destination.
        now_ms: the clock, in milliseconds since 1970.
        new_id: makes ids, each unique.
        sleep: waits for so many seconds.

    """

    registry: Registry
    records: RequestRecords
    queue: RequestQueue
    check_deliver: CheckDeliver
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    sleep: Callable[[float], None]

    def accept(self, body: bytes, idempotency_key: str, identity: Identity) -> Acceptance:
        """Make a request durable; the same request under the same id is accepted once.

        The queue comes first: its message holds the whole request, and its consumer creates a missing record. So no
        record lacks a message. A message whose record is missing belongs to a request that was not accepted.

        Raises:
            RequestError: the body is not a request, the compute, params, principal or destination is refused, or
                another request has the id (`invalid_params`).
            TransientError: the request is not accepted, though it may be answered; the caller can retry.

        """
        new = parse_new_request(body)
        compute: AnyCompute = self.registry.find(new.compute)
        check_permission(compute, identity.caller, compute.parse_params(new.params))
        request = self._as_queued(new, idempotency_key, identity)
        if compute.authorize is not None:
            request = _with_rule(request, identity)
        if (new.id or idempotency_key) and (record := self.records.read(request.tenant, request.principal, request.id)):
            return _accepted_before(request, record)
        self.check_deliver(request.tenant, request.deliver)
        self.queue.send([(request, 0)])
        if self.records.put(request):
            return Acceptance(request.id, RequestStatus.PENDING)
        # The consumer of its message was faster, or another request has the same id.
        record = self.records.read(request.tenant, request.principal, request.id)
        return Acceptance(request.id, RequestStatus.PENDING) if record is None else _accepted_before(request, record)

    def _as_queued(self, new: NewRequest, idempotency_key: str, identity: Identity) -> QueuedRequest:
        now_ms = self.now_ms()
        return QueuedRequest(
            tenant=identity.tenant,
            principal=identity.principal,
            id=new.id or (id_of_key(idempotency_key) if idempotency_key else self.new_id()),
            compute=new.compute,
            params=new.params,
            deliver=new.deliver,
            accepted_at_ms=now_ms,
            deadline_at_ms=now_ms + new.deadline_ms,
            max_age=new.max_age,
        )

    def find(self, identity: Identity, request_id: str, wait_seconds: float = 0.0) -> RequestRecord:
        """Return a request's record as soon as it is settled, or as it is after `wait_seconds`.

        Raises:
            RequestError: the principal has no request with that id (`not_found`), or its right to the result has ended
                (`forbidden`).
            TransientError: the records did not answer.

        """
        until_ms = self.now_ms() + int(wait_seconds * 1000)
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            record = self.records.read(identity.tenant, identity.principal, request_id)
            if record is None:
                raise RequestError("There is no request with this id.", code=ErrorCode.NOT_FOUND)
            self._check_right(record, identity)
            left_seconds = (until_ms - self.now_ms()) / 1000
            if record.status is not RequestStatus.PENDING or left_seconds <= 0:
                return record
            self.sleep(min(pause_seconds, left_seconds))
            pause_seconds = min(pause_seconds * 1.5, _LAST_PAUSE_SECONDS)

    def _check_right(self, record: RequestRecord, identity: Identity) -> None:
        """Ask the rule with the claims of the token that reads the request, which may be newer than its own."""
        if record.params is not None:
            compute: AnyCompute = self.registry.find(record.compute)
            check_permission(compute, identity.caller, compute.parse_params(record.params))


def _with_rule(request: QueuedRequest, identity: Identity) -> QueuedRequest:
    if len(request.params) > MAX_GUARDED_PARAMS_BYTES:
        sentence = f"`params` of {request.compute} may have {MAX_GUARDED_PARAMS_BYTES} bytes in a durable request."
        raise RequestError(sentence, code=ErrorCode.TOO_LARGE)
    return msgspec.structs.replace(request, has_rule=True, claims=serialize_claims(identity.claims))


def _accepted_before(request: QueuedRequest, record: RequestRecord) -> Acceptance:
    if record.fingerprint != request.fingerprint:
        sentence = "Another request has this id: `compute`, `params`, `deliver` and `max_age` must be the same."
        raise RequestError(sentence, code=ErrorCode.INVALID_PARAMS)
    return Acceptance(record.id, record.status)
