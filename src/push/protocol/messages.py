"""The messages that clients send, parsed and validated in one pass."""

from __future__ import annotations

from typing import Annotated

import msgspec

from push.errors import ErrorCode, RequestError

MAX_ID_BYTES = 128
MAX_DEADLINE_MS = 15 * 60 * 1000
DEFAULT_DEADLINE_MS = 30_000
MAX_TOPICS = 1000
"""The most topics that a connection may subscribe to."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_BYTES)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Encodings = Annotated[tuple[str, ...], msgspec.Meta(max_length=8)]
TopicText = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
PositionText = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Positions = Annotated[dict[TopicText, PositionText], msgspec.Meta(max_length=MAX_TOPICS)]


class Hello(msgspec.Struct, frozen=True, tag_field="action", tag="hello"):
    """Opens or resumes a session.

    `accept` lists what the client reads on this connection: encodings of data, and patches. This connection subscribes
    to the topics of `positions`, each from its position.
    """

    id: Id
    session: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    accept: Encodings | None = None
    positions: Positions | None = None


class Request(msgspec.Struct, frozen=True, tag_field="action", tag="request"):
    """Requests the result of a compute.

    `max_age` is the oldest acceptable result in seconds; 0 forces a new compute. `deadline_ms` counts from the arrival
    of the message. `accept` lists the encodings of this answer and overrides `hello`.
    """

    id: Id
    compute: Name
    params: msgspec.Raw = msgspec.Raw(b"{}")
    max_age: Annotated[float, msgspec.Meta(ge=0)] | None = None
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_DEADLINE_MS)] = DEFAULT_DEADLINE_MS
    accept: Encodings | None = None


class Subscribe(msgspec.Struct, frozen=True, tag_field="action", tag="subscribe"):
    """Subscribes to a channel by its topic, or to the result of a compute with params.

    `since` is the client's position: the server first sends the messages after it. `accept` applies to this
    subscription alone: encodings of its current value, and `patch`.
    """

    id: Id
    topic: TopicText | None = None
    compute: Name | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    since: PositionText | None = None
    accept: Encodings | None = None

    def __post_init__(self) -> None:
        if (self.topic is None) == (self.compute is None):
            raise ValueError("exactly one of `topic` and `compute` is required")


class Unsubscribe(msgspec.Struct, frozen=True, tag_field="action", tag="unsubscribe"):
    """Unsubscribes from a topic: a channel's name, or the topic in a live result's `subscribed`."""

    id: Id
    topic: TopicText


class Publish(msgspec.Struct, frozen=True, tag_field="action", tag="publish"):
    """Publishes a message to a channel.

    A `message_id` is published once per principal, over any connection. Without one, an `id` is published once per
    connection.
    """

    id: Id
    topic: TopicText
    data: msgspec.Raw
    message_id: Id | None = None


ClientMessage = Hello | Request | Subscribe | Unsubscribe | Publish


class _Outline(msgspec.Struct):
    id: object = None
    action: object = None


_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_outline_decoder = msgspec.json.Decoder(_Outline)
_syntax_decoder = msgspec.json.Decoder(msgspec.Raw)
_ACTIONS = frozenset(("hello", "request", "subscribe", "unsubscribe", "publish"))


class MessageRefusedError(RequestError):
    """A client's message does not match the protocol; `request_id` is its id if that could be read."""

    def __init__(self, message: str, *, code: ErrorCode, request_id: str | None = None) -> None:
        super().__init__(message, code=code)
        self.request_id = request_id


def parse_message(body: str) -> ClientMessage:
    """Parse a client's message.

    Raises:
        MessageRefusedError: it is not JSON, not a message, has an unknown action, or has invalid fields.

    """
    try:
        message = _decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise _refusal(body, exc) from exc
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise _no_json(exc) from exc
    if len(message.id) > MAX_ID_BYTES // 4 and len(message.id.encode()) > MAX_ID_BYTES:
        raise MessageRefusedError(f"`id` is longer than {MAX_ID_BYTES} bytes of UTF-8.", code=ErrorCode.INVALID_MESSAGE)
    return message


def _no_json(cause: Exception) -> MessageRefusedError:
    is_too_deep = isinstance(cause, RecursionError)
    sentence = "The message is nested too deeply." if is_too_deep else f"The message is not valid JSON: {cause}."
    return MessageRefusedError(sentence, code=ErrorCode.INVALID_JSON)


def _refusal(body: str, cause: msgspec.ValidationError) -> MessageRefusedError:
    """Return the error for an invalid message, with the message's id if it has a usable one.

    The decoder stopped at the first invalid member, so the rest may not even be JSON.
    """
    try:
        _syntax_decoder.decode(body)
        outline = _outline_decoder.decode(body)
    except msgspec.ValidationError:
        return MessageRefusedError("A message must be a JSON object.", code=ErrorCode.INVALID_MESSAGE)
    except (msgspec.DecodeError, RecursionError) as exc:
        return _no_json(exc)
    request_id = outline.id if isinstance(outline.id, str) and _is_usable_id(outline.id) else None
    if not isinstance(outline.action, str):
        sentence = "A message must have an `action`, a string."
        return MessageRefusedError(sentence, code=ErrorCode.INVALID_MESSAGE, request_id=request_id)
    if outline.action not in _ACTIONS:
        sentence = f"No action is named {outline.action[:64]!r}."
        return MessageRefusedError(sentence, code=ErrorCode.UNKNOWN_ACTION, request_id=request_id)
    sentence = f"The message is not valid for the action {outline.action!r}: {cause}."
    return MessageRefusedError(sentence, code=ErrorCode.INVALID_MESSAGE, request_id=request_id)


def _is_usable_id(text: str) -> bool:
    return 0 < len(text.encode(errors="replace")) <= MAX_ID_BYTES
