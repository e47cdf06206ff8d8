"""What the server sends: the frames of the protocol, as JSON text.

Stored JSON is spliced into a frame and never decoded, so that a hit costs the same for 100 bytes and 100 kilobytes
of structure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from push.errors import CODES, PushasideError
from push.keys import Key
from push.results import Result, Status

MAX_MESSAGE_BYTES = 128 * 1024
"""API Gateway, "WebSocket API quotas": a message holds 128 KB."""

MAX_FRAME_BYTES = 32 * 1024
"""The same: a frame holds 32 KB, and as much of a message is billed as one."""

GZIP_BASE64 = "gzip+base64"


class CacheState(enum.StrEnum):
    """Where an answer came from."""

    HIT = "hit"
    STALE = "stale"
    MISS = "miss"


_encoder = msgspec.json.Encoder()


def _quote(text: str) -> str:
    return _encoder.encode(text).decode()


def render_result(request_id: str, key: Key, result: Result, cache: CacheState, now_ms: int) -> str:
    """Write the final answer to a request, whatever its size: `result`, or `error` for a failure."""
    if result.status is Status.FAILURE:
        return f'{{"type":"error","id":{_quote(request_id)},"error":{result.data.decode()}}}'
    return render_with_data(render_result_head(request_id, key, result, cache, now_ms), result.data)


def render_result_head(request_id: str, key: Key, result: Result, cache: CacheState, now_ms: int) -> str:
    """Write a `result` up to its data; what carries them ends it."""
    return (
        f'{{"type":"result","id":{_quote(request_id)},"key":"{key.public}","etag":"{result.etag}",'
        f'"cache":"{cache}","age_ms":{max(0, now_ms - result.computed_at_ms)}'
    )


def render_with_data(head: str, data: bytes) -> str:
    """Write a message that carries JSON as it is, whatever its size; `head` is all before it."""
    return f'{head},"data":{data.decode()}}}'


def render_with_encoded(head: str, encoded: str) -> str:
    """Write a message whose data are the base64 of the gzip of the JSON."""
    return f'{head},"encoding":"{GZIP_BASE64}","data":"{encoded}"}}'


def render_with_link(head: str, url: str) -> str:
    """Write a message that says where its data are."""
    return f'{head},"url":{_quote(url)}}}'


def render_error(request_id: str | None, error: PushasideError) -> str:
    """Write an `error`; without an id if the message had none that could be made out."""
    identity = "" if request_id is None else f'"id":{_quote(request_id)},'
    return f'{{"type":"error",{identity}"error":{render_error_object(error).decode()}}}'


def render_error_object(error: PushasideError) -> bytes:
    """Write the `error` member alone, as failures are stored."""
    document: dict[str, object] = {
        "code": error.code.value,
        "message": error.message,
        "retryable": CODES[error.code].retryable,
    }
    if error.retry_after_ms is not None:
        document["retry_after_ms"] = error.retry_after_ms
    return _encoder.encode(document)


def render_accepted(request_id: str) -> str:
    """Write `accepted`: the request will end in exactly one result or error."""
    return f'{{"type":"accepted","id":{_quote(request_id)}}}'


def render_welcome(
    request_id: str,
    session: str,
    reconnect_after_seconds: float,
    refused: Mapping[str, PushasideError] | None = None,
) -> str:
    """Write `welcome`: the session, the limits a client should keep to, and which topics were refused, and why."""
    document: dict[str, object] = {
        "type": "welcome",
        "id": request_id,
        "session": session,
        "limits": {"frame_bytes": MAX_FRAME_BYTES, "message_bytes": MAX_MESSAGE_BYTES},
        "reconnect_after_seconds": reconnect_after_seconds,
    }
    if refused:
        document["refused"] = {topic: msgspec.Raw(render_error_object(error)) for topic, error in refused.items()}
    return _encoder.encode(document).decode()
