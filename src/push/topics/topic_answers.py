"""Answers to clients that subscribe, unsubscribe and publish."""

from __future__ import annotations

import msgspec

from push.results import Result, Status
from push.topics.positions import Position
from push.topics.topics import Topic

_encoder = msgspec.json.Encoder()


class Subscribed(msgspec.Struct, frozen=True):
    """The answer to a subscription.

    Updates after `position` follow. Unless `recovered`, messages since the client's position are missing, and `data`
    replaces them. `data` is JSON. A live result has its etag, or the error object of a failure, once it was computed.
    """

    topic: Topic
    position: Position
    recovered: bool = True
    data: bytes | None = None
    etag: str = ""
    error: bytes | None = None


def subscribed_live(topic: Topic, position: Position, result: Result | None, *, recovered: bool) -> Subscribed:
    """Return the answer to a subscription to a live result; `result` is None if it is not computed yet."""
    if result is None:
        return Subscribed(topic, position, recovered)
    if result.status is Status.FAILURE:
        return Subscribed(topic, position, recovered, error=result.data)
    return Subscribed(topic, position, recovered, data=result.data, etag=result.etag)


def render_subscribed_head(request_id: str, subscribed: Subscribed) -> str:
    """Render `subscribed` up to its data; the caller appends the data, if any, and the closing brace."""
    recovered = "true" if subscribed.recovered else "false"
    etag = f',"etag":"{subscribed.etag}"' if subscribed.etag else ""
    error = "" if subscribed.error is None else f',"error":{subscribed.error.decode()}'
    return (
        f'{{"type":"subscribed","id":{_quote(request_id)},"topic":"{subscribed.topic.name}",'
        f'"position":"{subscribed.position}","recovered":{recovered}{etag}{error}'
    )


def render_unsubscribed(request_id: str, topic: Topic) -> str:
    """Render `unsubscribed`: no message of the topic follows, except those already on the way."""
    return f'{{"type":"unsubscribed","id":{_quote(request_id)},"topic":"{topic.name}"}}'


def render_published(request_id: str, topic: Topic, position: Position) -> str:
    """Render `published`: the message is in the topic's history at `position`."""
    return f'{{"type":"published","id":{_quote(request_id)},"topic":"{topic.name}","position":"{position}"}}'


def _quote(text: str) -> str:
    return _encoder.encode(text).decode()
