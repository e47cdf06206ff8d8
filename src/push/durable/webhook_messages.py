"""The message that webhooks and SNS topics receive about a settled request."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from push.durable.requests import RequestRecord, RequestStatus

LINK_SECONDS = 3600
"""How long a link in a message is valid."""

TYPES = {RequestStatus.DONE: "request.done", RequestStatus.FAILED: "request.failed"}

_encoder = msgspec.json.Encoder()
_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def webhook_id(record: RequestRecord) -> str:
    """Return a webhook's id: unique per request, the same at every attempt, and without dots."""
    return f"msg_{hashlib.sha256(record.name.encode()).hexdigest()[:32]}"


def render_message(record: RequestRecord, link: str = "") -> bytes:
    """Render the message of a settled request; the stored answer is spliced in unchanged.

    Args:
        record: a settled request with its answer.
        link: the URL of the data, if the answer is stored without it.

    """
    answer = record.answer or b"{}"
    if link:
        answer = answer[:-1] + b',"url":' + _encoder.encode(link) + b"}"
    return b'{"type":"%b","timestamp":"%b","data":%b}' % (
        TYPES[record.status].encode(),
        _timestamp(record).encode(),
        answer,
    )


def without_data(record: RequestRecord) -> tuple[RequestRecord, bytes]:
    """Split a record's data from its answer, for a message that must be smaller."""
    members = _members_decoder.decode(record.answer or b"{}")
    data = members.pop("data", msgspec.Raw(b"null"))
    return replace(record, answer=_encoder.encode(members)), bytes(data)


def _timestamp(record: RequestRecord) -> str:
    """Return when the request was settled (ISO 8601); unlike an attempt's time, it never changes."""
    at = datetime.fromtimestamp((record.settled_at_ms or 0) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
