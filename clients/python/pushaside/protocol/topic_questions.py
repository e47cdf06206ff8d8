"""The client's messages about topics, written as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import orjson

from pushaside.errors import InvalidParamsError
from pushaside.protocol.positions import Position
from pushaside.protocol.questions import write_params

PATCH = ("patch",)
"""The `accept` of a subscriber that applies patches."""


@dataclass(frozen=True, slots=True)
class ChannelSubject:
    """A channel, identified by its topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class LiveSubject:
    """A live result, identified by compute and params, which are JSON already. The service answers with its topic."""

    compute: str
    params: bytes


Subject = ChannelSubject | LiveSubject
"""The subject of a subscription."""


@dataclass(frozen=True, slots=True)
class SubscribeQuestion:
    """A subscription. `since` returns the subscriber's position when the message is written."""

    subject: Subject
    since: Callable[[], Position | None]
    accept: tuple[str, ...] = ()
    asked_again: ClassVar[bool] = True

    def write(self, question_id: str, remaining_seconds: float) -> bytes:  # noqa: ARG002  (it has no deadline)
        """Return the message."""
        message: dict[str, object] = {"action": "subscribe", "id": question_id}
        if isinstance(self.subject, ChannelSubject):
            message["topic"] = self.subject.topic
        else:
            message |= {"compute": self.subject.compute, "params": orjson.Fragment(self.subject.params)}
        if (since := self.since()) is not None:
            message["since"] = str(since)
        if self.accept:
            message["accept"] = self.accept
        return orjson.dumps(message)


@dataclass(frozen=True, slots=True)
class UnsubscribeQuestion:
    """The end of a subscription.

    >>> UnsubscribeQuestion("prices:eur").write("q1", 10.0)
    b'{"action":"unsubscribe","id":"q1","topic":"prices:eur"}'
    """

    topic: str
    asked_again: ClassVar[bool] = True

    def write(self, question_id: str, remaining_seconds: float) -> bytes:  # noqa: ARG002  (it has no deadline)
        """Return the message."""
        return orjson.dumps({"action": "unsubscribe", "id": question_id, "topic": self.topic})


@dataclass(frozen=True, slots=True)
class PublishQuestion:
    """A publication, whose data is JSON already. Sent again, also on another connection, it is the same message.

    >>> publish_to("prices:eur", {"bid": 1.1}).write("q1", 10.0)
    b'{"action":"publish","id":"q1","topic":"prices:eur","data":{"bid":1.1},"message_id":"q1"}'
    """

    topic: str
    data: bytes
    asked_again: ClassVar[bool] = True

    def write(self, question_id: str, remaining_seconds: float) -> bytes:  # noqa: ARG002  (it has no deadline)
        """Return the message."""
        message = {"action": "publish", "id": question_id, "topic": self.topic, "data": orjson.Fragment(self.data)}
        return orjson.dumps({**message, "message_id": question_id})


def subscribe_to(topic: str | None, compute: str | None, params: Mapping[str, object] | None) -> Subject:
    """Return the subject of a subscription: a topic, or a compute with params.

    Raises:
        ValueError: neither is given, or both are.
        InvalidParamsError: the params cannot be written as JSON.

    """
    if (topic is None) == (compute is None):
        raise ValueError("Subscribe to either a topic or a compute.")
    if topic is not None:
        if params is not None:
            raise ValueError("A topic takes no params.")
        return ChannelSubject(topic)
    assert compute is not None  # noqa: S101  (one of them is given)
    return LiveSubject(compute, write_params(params))


def publish_to(topic: str, data: object) -> PublishQuestion:
    """Return a publication; later changes to the caller's objects do nothing.

    Raises:
        InvalidParamsError: the data cannot be written as JSON.

    """
    try:
        return PublishQuestion(topic, orjson.dumps(data))
    except TypeError as exc:
        raise InvalidParamsError(f"The data cannot be written as JSON: {exc}.") from exc
