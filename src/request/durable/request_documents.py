"""The documents of durable requests, as `GET /requests/{id}` returns them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from push.durable.requests import Attempt, RequestRecord, RequestStatus
from push.protocol.payloads import LINK_SECONDS

_LONGEST_RETRY_SECONDS = 10

Link = Callable[[str, int], str]

_encoder = msgspec.json.Encoder()


class _ErrorMessage(msgspec.Struct):
    error: msgspec.Raw


_error_decoder = msgspec.json.Decoder(_ErrorMessage)


def render_request(record: RequestRecord, link: Link) -> str:
    """Write a request's document around its recorded answer, with a link to data that are stored as a payload."""
    document: dict[str, Any] = {
        "id": record.id,
        "status": record.status,
        "compute": record.compute,
        "accepted_at": _as_iso(record.accepted_at_ms),
    }
    if record.settled_at_ms is not None:
        document["settled_at"] = _as_iso(record.settled_at_ms)
    if record.answer is not None:
        if record.status is RequestStatus.DONE:
            document["result"] = msgspec.Raw(link_payload(record.answer, record.payload, link))
        else:
            document["error"] = _error_decoder.decode(record.answer).error
    document["delivery"] = _describe_delivery(record)
    return _encoder.encode(document).decode()


def link_payload(answer: bytes, payload: str, link: Link) -> bytes:
    """Return a recorded answer, with a link to its data if they are stored as a payload."""
    if not payload:
        return answer
    url = _encoder.encode(link(payload, LINK_SECONDS))
    return b'%b,"url":%b}' % (answer.removesuffix(b"}"), url)


def seconds_to_retry(record: RequestRecord, now_ms: int) -> int:
    """Return the `retry-after` of a pending request: a quarter of its age, from 1 to 10 seconds."""
    return max(1, min(_LONGEST_RETRY_SECONDS, (now_ms - record.accepted_at_ms) // 4000))


def _describe_delivery(record: RequestRecord) -> dict[str, Any]:
    deliver = record.deliver
    if deliver.poll:
        return {"to": "poll"}
    place = {"to": "webhook", "url": deliver.webhook} if deliver.webhook else {"to": "sns", "arn": deliver.sns}
    description: dict[str, Any] = {
        **place,
        "state": record.delivery,
        "attempts": [_describe_attempt(attempt) for attempt in record.attempts],
    }
    if record.next_attempt_at_ms is not None:
        description["next_attempt_at"] = _as_iso(record.next_attempt_at_ms)
    return description


def _describe_attempt(attempt: Attempt) -> dict[str, Any]:
    description: dict[str, Any] = {"at": _as_iso(attempt.at_ms), "ms": attempt.took_ms}
    if attempt.status is not None:
        description["status"] = attempt.status
    if attempt.error:
        description["error"] = attempt.error
    return description


def _as_iso(at_ms: int) -> str:
    """Write a time in the format of RFC 3339, in milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
