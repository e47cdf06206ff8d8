"""The protocol's messages: what is sent, written as JSON, and what comes, read from JSON.

A server message is read into one of a closed set of values. Fields that are not known are ignored, and a message
whose type is not known becomes `Unknown`: newer services may say more than this client understands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import orjson

from pushaside.errors import InternalError, InvalidParamsError, PushasideError, error_from_wire

PING = b'{"action":"ping"}'

MESSAGE_BYTES = 128 * 1024
"""API Gateway, "WebSocket API quotas": a message holds 128 KB; a larger one closes the connection with 1009."""

FRAME_BYTES = 32 * 1024
"""API Gateway, "WebSocket API quotas": a frame holds 32 KB; a larger one closes the connection with 1009."""

_FRAME_HEADER_BYTES = 14
"""The longest header of a client's frame (RFC 6455, 5.2), in case the limit is meant to include it."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a compute, as it was pushed.

    `data` is the value itself, decoded; `key` names the result across requests; `etag` changes with the value;
    `cache` tells where it came from: "hit", "stale" (usable, being refreshed) or "miss" (computed for this request);
    `age` is the seconds between its computation and the answer; `id` is the request's.
    """

    id: str
    key: str
    etag: str
    cache: str
    age: float
    # JSON of the compute's making: the caller alone knows its shape.
    data: Any


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request `id` will end in one result or error."""

    id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The request `id` ended in an error; None if the service could not make out whose it is."""

    id: str | None
    error: PushasideError


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to `hello`; what it does not say is None."""

    id: str | None
    session: str | None
    reconnect_after_seconds: float | None
    message_bytes: int | None
    frame_bytes: int | None


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a ping; it has no id."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The service is about to close the connection; `retry` says whether to come back, `after_seconds` when."""

    code: str
    retry: bool
    after_seconds: float


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """API Gateway's own error frame: it names no request, and the connection stays open."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message that this version has no use for; `why` is for the log."""

    why: str


ServerMessage = Result | Accepted | Failed | Welcome | Pong | Bye | GatewayFault | Unknown


class Question(Protocol):
    """Something that is asked under an id and answered once."""

    @property
    def asked_again(self) -> bool:
        """Whether silence is a reason to ask it again under the same id."""

    def write(self, question_id: str, remaining_seconds: float) -> bytes:
        """Write the message; `remaining_seconds` are left until its deadline."""


@dataclass(frozen=True, slots=True)
class ComputeQuestion:
    """Asks for a compute's result. The params are written already: later changes to the caller's dict change nothing.

    >>> question = ask_compute("documents", {"ids": ["TX"]}, max_age=None)
    >>> question.write("r1", 1.5)
    b'{"action":"request","id":"r1","compute":"documents","params":{"ids":["TX"]},"deadline_ms":1500}'
    """

    compute: str
    params: bytes
    max_age: float | None
    asked_again: ClassVar[bool] = True

    def write(self, question_id: str, remaining_seconds: float) -> bytes:
        """Write the message; the service counts the deadline from its arrival, so what is left of it is sent."""
        message: dict[str, object] = {
            "action": "request",
            "id": question_id,
            "compute": self.compute,
            "params": orjson.Fragment(self.params),
            "deadline_ms": max(1, round(remaining_seconds * 1000)),
        }
        if self.max_age is not None:
            message["max_age"] = self.max_age
        return orjson.dumps(message)


@dataclass(frozen=True, slots=True)
class PingQuestion:
    """Asks for a pong. Pongs carry no id, so a second ping would take the first one's answer."""

    asked_again: ClassVar[bool] = False

    def write(self, question_id: str, remaining_seconds: float) -> bytes:  # noqa: ARG002  (a ping says nothing else)
        """Write the message."""
        return PING


def ask_compute(compute: str, params: Mapping[str, object] | None, *, max_age: float | None) -> ComputeQuestion:
    """Write the params down; None stands for no params.

    Raises:
        InvalidParamsError: they hold something that JSON cannot.

    """
    try:
        written = orjson.dumps({} if params is None else params)
    except TypeError as exc:
        raise InvalidParamsError(f"The params cannot be written as JSON: {exc}.") from exc
    return ComputeQuestion(compute, written, max_age)


def write_hello(hello_id: str, session: str | None) -> bytes:
    """Write the first message of a connection; `session` is the one to resume."""
    message: dict[str, object] = {"action": "hello", "id": hello_id, "accept": []}
    if session is not None:
        message["session"] = session
    return orjson.dumps(message)


def split_frames(message: bytes, frame_bytes: int = FRAME_BYTES) -> Iterator[bytes]:
    """Cut a message that is too long for one frame into pieces of whole characters.

    >>> [len(piece) for piece in split_frames(b"x" * 40_000)]
    [32754, 7246]
    """
    room = frame_bytes - _FRAME_HEADER_BYTES
    start = 0
    while start < len(message):
        end = start + room
        # UTF-8's continuation bytes look like 10xxxxxx: a character is not cut in two.
        while end < len(message) and message[end] & 0xC0 == 0x80:
            end -= 1
        yield message[start:end]
        start = end


def read_message(text: bytes) -> ServerMessage:
    """Read what the service sent. Never raises: what cannot be read is `Unknown`."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        return Unknown(f"not JSON: {exc}")
    if not isinstance(fields, dict):
        return Unknown("not a JSON object")
    kind = fields.get("type")
    if kind is None and isinstance(fields.get("message"), str):
        return GatewayFault(fields["message"])
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return Unknown(f"of type {kind!r}") if reader is None else reader(fields)


def _read_result(fields: dict[str, Any]) -> ServerMessage:
    request_id = fields.get("id")
    if not isinstance(request_id, str):
        return Unknown("a result without an id")
    if "data" not in fields or "encoding" in fields:
        return Failed(request_id, InternalError("The result came in a form that was not asked for.", retryable=False))
    return Result(
        id=request_id,
        key=_text(fields, "key") or "",
        etag=_text(fields, "etag") or "",
        cache=_text(fields, "cache") or "miss",
        age=(_number(fields, "age_ms") or 0.0) / 1000,
        data=fields["data"],
    )


def _read_accepted(fields: dict[str, Any]) -> ServerMessage:
    request_id = _text(fields, "id")
    return Unknown("accepted without an id") if request_id is None else Accepted(request_id)


def _read_error(fields: dict[str, Any]) -> ServerMessage:
    error = fields.get("error")
    return Failed(_text(fields, "id"), error_from_wire(error if isinstance(error, dict) else {}))


def _read_welcome(fields: dict[str, Any]) -> ServerMessage:
    limits = fields.get("limits")
    limits = limits if isinstance(limits, dict) else {}
    message_bytes, frame_bytes = _number(limits, "message_bytes"), _number(limits, "frame_bytes")
    return Welcome(
        id=_text(fields, "id"),
        session=_text(fields, "session"),
        reconnect_after_seconds=_number(fields, "reconnect_after_seconds"),
        message_bytes=None if message_bytes is None else int(message_bytes),
        # A frame that holds less than its own header and a character is no limit anyone means.
        frame_bytes=None if frame_bytes is None else max(int(frame_bytes), 2 * _FRAME_HEADER_BYTES),
    )


def _read_pong(_fields: dict[str, Any]) -> ServerMessage:
    return Pong()


def _read_bye(fields: dict[str, Any]) -> ServerMessage:
    code = fields.get("code")
    return Bye(
        code="" if code is None else str(code),
        retry=fields.get("retry") is not False,
        after_seconds=(_number(fields, "after_ms") or 0.0) / 1000,
    )


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _number(fields: dict[str, Any], name: str) -> float | None:
    """Take a number that is not negative; anything else counts as not said."""
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


_READERS = {
    "result": _read_result,
    "accepted": _read_accepted,
    "error": _read_error,
    "welcome": _read_welcome,
    "pong": _read_pong,
    "bye": _read_bye,
}
