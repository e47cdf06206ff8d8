"""The body of `POST /topics/{topic}`: one message, or a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from push.errors import ErrorCode, RequestError
from push.topics.histories import NewMessage
from request.subscribing.publishing import MAX_MESSAGES, message_id

MAX_KEY_CHARACTERS = 256


class _Message(msgspec.Struct):
    data: msgspec.Raw
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


_Messages = Annotated[tuple[_Message, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]


class _Body(msgspec.Struct):
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    messages: _Messages | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if (self.data is msgspec.UNSET) == (self.messages is msgspec.UNSET):
            raise ValueError("exactly one of `data` and `messages` must be given")


class Publication(msgspec.Struct, frozen=True):
    """Messages to publish. The response to a batch lists positions, even to a batch of one message."""

    messages: Sequence[NewMessage]
    is_batch: bool


_decoder = msgspec.json.Decoder(_Body)


def parse_publication(body: bytes, idempotency_key: str, principal: str) -> Publication:
    """Read the body of a publication.

    A message without an id gets one from the `Idempotency-Key`, if there is one, and its place in the batch. Different
    principals never share an id.

    Raises:
        RequestError: the body or the key does not have the documented form.

    """
    if len(idempotency_key) > MAX_KEY_CHARACTERS:
        raise RequestError(f"`Idempotency-Key` may have at most {MAX_KEY_CHARACTERS} characters.")
    try:
        parsed = _decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise RequestError(f"The body is not a publication: {exc}.") from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RequestError("The body is not valid JSON.", code=ErrorCode.INVALID_JSON) from exc
    if isinstance(parsed.data, msgspec.Raw):
        identity = message_id("key", principal, idempotency_key) if idempotency_key else ""
        return Publication([NewMessage(bytes(parsed.data), identity)], is_batch=False)
    messages = enumerate(parsed.messages if isinstance(parsed.messages, tuple) else ())
    return Publication(
        [NewMessage(bytes(each.data), _identify(each, place, idempotency_key, principal)) for place, each in messages],
        is_batch=True,
    )


def _identify(message: _Message, place: int, idempotency_key: str, principal: str) -> str:
    if message.id is not None:
        return message_id("principal", principal, message.id)
    return message_id("key", principal, idempotency_key, str(place)) if idempotency_key else ""
