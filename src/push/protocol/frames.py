"""The messages that the server sends, as JSON text.

Stored JSON is spliced into a message and never decoded, so a hit costs the same whatever the structure of its data.
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
"""API Gateway, "WebSocket API quotas": a frame holds 32 KB, and each 32 KB of a message is billed."""

GZIP_BASE64 = "gzip+base64"


class CacheState(enum.StrEnum):
    """The state of the cache entry that answered a request."""

    HIT = "hit"
    STALE = "stale"
    MISS = "miss"


_encoder = msgspec.json.Encoder()


def _quote(text: str) -> str:
    return _encoder.encode(text).decode()


def render_result(request_id: str, key: Key, result: Result, cache: CacheState, now_ms: int) -> str:
    """Render the final answer to a request, whatever its size: `result`, or `error` for a failure."""
    if result.status is Status.FAILURE:
        return f'{{"type":"error","id":{_quote(request_id)},"error":{result.data.decode()}}}'
    return render_with_data(render_result_head(request_id, key, result, cache, now_ms), result.data)


def render_result_head(request_id: str, key: Key, result: Result, cache: CacheState, now_ms: int) -> str:
    """Render a `result` up to its data; the caller appends the data and the closing brace."""
    return (
        f'{{"type":"result","id":{_quote(request_id)},"key":"{key.public}","etag":"{result.etag}",'
        f'"cache":"{cache}","age_ms":{max(0, now_ms - result.computed_at_ms)}'
    )


def render_with_data(head: str, data: bytes) -> str:
    """Render a message that carries JSON unchanged, whatever its size; `head` is everything before it."""
    return f'{head},"data":{data.decode()}}}'


def render_with_encoded(head: str, encoded: str) -> str:
    """Render a message whose data is the base64 of the gzipped JSON."""
    return f'{head},"encoding":"{GZIP_BASE64}","data":"{encoded}"}}'


def render_with_link(head: str, url: str) -> str:
    """Render a message that carries the URL of its data."""
    return f'{head},"url":{_quote(url)}}}'


def render_error(request_id: str | None, error: PushasideError) -> str:
    """Render an `error`; without an id if the client's message had no readable id."""
    identity = "" if request_id is None else f'"id":{_quote(request_id)},'
    return f'{{"type":"error",{identity}"error":{render_error_object(error).decode()}}}'


def render_error_object(error: PushasideError) -> bytes:
    """Render the `error` member alone, the form in which failures are stored."""
    document: dict[str, object] = {
        "code": error.code.value,
        "message": error.message,
        "retryable": CODES[error.code].retryable,
    }
    if error.retry_after_ms is not None:
        document["retry_after_ms"] = error.retry_after_ms
    return _encoder.encode(document)


def render_accepted(request_id: str) -> str:
    """Render `accepted`: the request will end in exactly one result or error."""
    return f'{{"type":"accepted","id":{_quote(request_id)}}}'


def render_welcome(
    request_id: str,
    session: str,
    reconnect_after_seconds: float,
    refused: Mapping[str, PushasideError] | None = None,
) -> str:
    """Render `welcome`: the session, the size limits, and an error for each topic that was refused."""
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
