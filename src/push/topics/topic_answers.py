"""What the server answers to those who subscribe and publish."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from push.results import Result, Status
from push.topics.positions import Position
from push.topics.topics import Topic

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A connection is told of a topic from now on.

    `position` is where it is: what comes after it follows. Not `recovered`, something since the position that it said
    it had is missing, and `data` stand for all of it. `data` are JSON. A live result has its etag, or the error object
    of a failure, once it has been computed.
    """

    topic: Topic
    position: Position
    recovered: bool = True
    data: bytes | None = None
    etag: str = ""
    error: bytes | None = None


def subscribed_live(topic: Topic, position: Position, result: Result | None, *, recovered: bool) -> Subscribed:
    """Tell of a live result as it is now; None if that is not known yet."""
    if result is None:
        return Subscribed(topic, position, recovered)
    if result.status is Status.FAILURE:
        return Subscribed(topic, position, recovered, error=result.data)
    return Subscribed(topic, position, recovered, data=result.data, etag=result.etag)


def render_subscribed_head(request_id: str, subscribed: Subscribed) -> str:
    """Write `subscribed` up to its data; what carries them, or the brace, ends it."""
    recovered = "true" if subscribed.recovered else "false"
    etag = f',"etag":"{subscribed.etag}"' if subscribed.etag else ""
    error = "" if subscribed.error is None else f',"error":{subscribed.error.decode()}'
    return (
        f'{{"type":"subscribed","id":{_quote(request_id)},"topic":"{subscribed.topic.name}",'
        f'"position":"{subscribed.position}","recovered":{recovered}{etag}{error}'
    )


def render_unsubscribed(request_id: str, topic: Topic) -> str:
    """Write `unsubscribed`: nothing of the topic follows but, maybe, what is on its way."""
    return f'{{"type":"unsubscribed","id":{_quote(request_id)},"topic":"{topic.name}"}}'


def render_published(request_id: str, topic: Topic, position: Position) -> str:
    """Write `published`: the message is in the topic's history, at that position."""
    return f'{{"type":"published","id":{_quote(request_id)},"topic":"{topic.name}","position":"{position}"}}'


def _quote(text: str) -> str:
    return _encoder.encode(text).decode()
