"""The server's messages, read from JSON, and the frames of the client's messages.

Each server message becomes one of a closed set of values. Unknown fields are ignored, and a message of an unknown type
becomes `Unknown`, because newer services may send more than this client understands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from pushaside.errors import PushasideError, UnreadableResultError, error_from_wire
from pushaside.protocol.fields import read_data, read_number, read_text
from pushaside.protocol.topic_messages import TOPIC_TYPES, Subscribed, TopicMessage, read_topic_message

MESSAGE_BYTES = 128 * 1024
"""API Gateway, "WebSocket API quotas": a message holds 128 KB; a larger one closes the connection with 1009."""

FRAME_BYTES = 32 * 1024
"""API Gateway, "WebSocket API quotas": a frame holds 32 KB; a larger one closes the connection with 1009."""

RESULT_BYTES = 64 * 1024 * 1024
"""The default limit of a result's JSON in bytes, in any form."""

MOST_PIECES = 8192
"""A count of pieces above this is invalid."""

_FRAME_HEADER_BYTES = 14
"""The longest header of a client's frame (RFC 6455, 5.2), in case the limit includes it."""


class Result(NamedTuple):
    """The immutable result of a compute.

    `data` is the decoded value; `key` names the result across requests; `etag` changes with the value; `cache` is its
    source: "hit", "stale" (usable while it is refreshed) or "miss" (computed for this request); `age` is the seconds
    between its computation and the answer; `id` is the request's.
    """

    id: str
    key: str
    etag: str
    cache: str
    age: float
    # Only the caller knows the shape of the compute's JSON.
    data: Any


@dataclass(frozen=True, slots=True)
class Linked:
    """A result whose data is behind a link: `result` is all of it except the data, which is at `url`."""

    result: Result
    url: str

    @property
    def id(self) -> str:
        """The request's id."""
        return self.result.id


@dataclass(frozen=True, slots=True)
class Piece:
    """One of `count` pieces of the text of an answer to the request `id`; `of` identifies the rendering."""

    id: str
    of: str
    index: int
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service accepted the request `id`, which will end in one result or error."""

    id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The request `id` ended in an error; the id is None if the service could not read it."""

    id: str | None
    error: PushasideError


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to `hello`; missing members are None."""

    id: str | None
    session: str | None
    reconnect_after_seconds: float | None
    message_bytes: int | None
    frame_bytes: int | None


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping; it has no id."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The service will close the connection in `after_seconds`; `retry` tells whether to reconnect."""

    code: str
    retry: bool
    after_seconds: float


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """API Gateway's own error frame, which names no request; the connection stays open."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message that this version ignores; `why` is for the log."""

    why: str


Answer = Result | Linked | Failed | Subscribed
"""The messages that may arrive in pieces."""

ServerMessage = (
    Result | Linked | Piece | Accepted | Failed | Welcome | Pong | Bye | GatewayFault | TopicMessage | Unknown
)


def split_frames(message: bytes, frame_bytes: int = FRAME_BYTES) -> Iterator[bytes]:
    """Split a message that is too long for one frame into frames of whole characters.

    >>> [len(piece) for piece in split_frames(b"x" * 40_000)]
    [32754, 7246]
    """
    room = frame_bytes - _FRAME_HEADER_BYTES
    start = 0
    while start < len(message):
        end = start + room
        # UTF-8's continuation bytes look like 10xxxxxx: no character is split.
        while end < len(message) and message[end] & 0xC0 == 0x80:
            end -= 1
        yield message[start:end]
        start = end


def read_message(text: bytes, max_bytes: int = RESULT_BYTES) -> ServerMessage:
    """Read a server message. An unreadable one becomes `Failed` if it has an id, and `Unknown` otherwise.

    `max_bytes` bounds the data of a result. Never raises.
    """
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        return Unknown(f"not JSON: {exc}")
    if not isinstance(fields, dict):
        return Unknown("not a JSON object")
    return read_fields(fields, max_bytes)


def read_fields(fields: dict[str, Any], max_bytes: int = RESULT_BYTES) -> ServerMessage:
    """Read a message from its parsed JSON. Never raises."""
    kind = fields.get("type")
    if kind is None and isinstance(fields.get("message"), str):
        return GatewayFault(fields["message"])
    if kind == "result":
        return _read_result(fields, max_bytes)
    if isinstance(kind, str) and kind in TOPIC_TYPES:
        return read_topic_message(fields, max_bytes) or Unknown(f"of type {kind!r}, without a required field")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return Unknown(f"of type {kind!r}") if reader is None else reader(fields)


def _read_result(fields: dict[str, Any], max_bytes: int) -> ServerMessage:
    request_id = fields.get("id")
    if not isinstance(request_id, str):
        return Unknown("a result without an id")
    try:
        data = read_data(fields, max_bytes)
    except PushasideError as exc:
        return Failed(request_id, exc)
    key, etag, cache, age_ms = fields.get("key"), fields.get("etag"), fields.get("cache"), fields.get("age_ms")
    result = Result(
        request_id,
        key if isinstance(key, str) else "",
        etag if isinstance(etag, str) else "",
        cache if isinstance(cache, str) else "miss",
        # `isinstance` would accept a boolean.
        age_ms / 1000 if (type(age_ms) is int or type(age_ms) is float) and age_ms >= 0 else 0.0,
        data,
    )
    return result if "data" in fields else Linked(result, fields["url"])


def _read_piece(fields: dict[str, Any]) -> ServerMessage:
    request_id, text = read_text(fields, "id"), read_text(fields, "data")
    if request_id is None:
        return Unknown("a piece without an id")
    index, count = fields.get("index"), fields.get("count")
    if text is None or type(index) is not int or type(count) is not int or not 0 <= index < count <= MOST_PIECES:
        return Failed(request_id, UnreadableResultError("A piece of the result is not valid."))
    return Piece(request_id, read_text(fields, "of") or "", index, count, text)


def _read_accepted(fields: dict[str, Any]) -> ServerMessage:
    request_id = read_text(fields, "id")
    return Unknown("accepted without an id") if request_id is None else Accepted(request_id)


def _read_error(fields: dict[str, Any]) -> ServerMessage:
    error = fields.get("error")
    return Failed(read_text(fields, "id"), error_from_wire(error if isinstance(error, dict) else {}))


def _read_welcome(fields: dict[str, Any]) -> ServerMessage:
    limits = fields.get("limits")
    limits = limits if isinstance(limits, dict) else {}
    message_bytes, frame_bytes = read_number(limits, "message_bytes"), read_number(limits, "frame_bytes")
    return Welcome(
        id=read_text(fields, "id"),
        session=read_text(fields, "session"),
        reconnect_after_seconds=read_number(fields, "reconnect_after_seconds"),
        message_bytes=None if message_bytes is None else int(message_bytes),
        # A frame limit below a header and a character would be useless.
        frame_bytes=None if frame_bytes is None else max(int(frame_bytes), 2 * _FRAME_HEADER_BYTES),
    )


def _read_pong(_fields: dict[str, Any]) -> ServerMessage:
    return Pong()


def _read_bye(fields: dict[str, Any]) -> ServerMessage:
    code = fields.get("code")
    return Bye(
        code="" if code is None else str(code),
        retry=fields.get("retry") is not False,
        after_seconds=(read_number(fields, "after_ms") or 0.0) / 1000,
    )


_READERS = {
    "chunk": _read_piece,
    "accepted": _read_accepted,
    "error": _read_error,
    "welcome": _read_welcome,
    "pong": _read_pong,
    "bye": _read_bye,
}
