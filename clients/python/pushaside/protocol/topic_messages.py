"""The messages about topics as they come: what holds, what is new, what was published, who comes and goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pushaside.errors import PushasideError, error_from_wire
from pushaside.protocol.fields import read_data, read_number, read_text
from pushaside.protocol.patches import Patch
from pushaside.protocol.positions import Position, parse_position


@dataclass(frozen=True, slots=True)
class Value:
    """What a message brings: data, or in its place a link to it, or what makes it of the data before, or why not.

    `failure` is what the compute failed with; `error` is why the data can't be read.
    """

    data: Any = None
    etag: str = ""
    url: str | None = None
    patch: Patch | None = None
    failure: PushasideError | None = None
    error: PushasideError | None = None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription asked for under `id` holds: what comes after the position will be pushed.

    Not `recovered`, what came since the position that was named is lost, and the value, if any, stands for it.
    """

    id: str
    topic: str
    position: Position
    recovered: bool
    value: Value | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """An `update`, or with `is_resync` a `resync`: something before it is missing, and the value stands for it."""

    topic: str
    position: Position
    value: Value | None
    is_resync: bool


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """Nothing more of the topic will be pushed."""

    id: str


@dataclass(frozen=True, slots=True)
class Published:
    """What was to be published under `id` is at this position of its topic."""

    id: str
    position: str


@dataclass(frozen=True, slots=True)
class Presence:
    """Who has come and gone, of those who subscribe to a topic.

    `count` is how many connections are there now; `joined` and `left` are principals, at most 200 each.
    """

    topic: str
    count: int
    joined: tuple[str, ...]
    left: tuple[str, ...]


TopicMessage = Subscribed | Pushed | Unsubscribed | Published | Presence


def read_topic_message(fields: dict[str, Any], max_bytes: int) -> TopicMessage | None:
    """Read a message of one of `TOPIC_TYPES`; None if something is missing that it can't do without.

    `max_bytes` bounds the data.
    """
    kind, message_id = fields["type"], read_text(fields, "id")
    if kind == "unsubscribed":
        return None if message_id is None else Unsubscribed(message_id)
    topic, position = read_text(fields, "topic"), _read_position(fields)
    if kind == "presence":
        return None if topic is None else _read_presence(fields, topic)
    if position is None:
        return None
    if kind == "published":
        return None if message_id is None else Published(message_id, str(position))
    if topic is None:
        return None
    value = _read_value(fields, max_bytes)
    if kind == "subscribed":
        recovered = fields.get("recovered") is not False
        return None if message_id is None else Subscribed(message_id, topic, position, recovered, value)
    return Pushed(topic, position, value, is_resync=kind == "resync")


TOPIC_TYPES = frozenset(("subscribed", "update", "resync", "unsubscribed", "published", "presence"))


def _read_position(fields: dict[str, Any]) -> Position | None:
    try:
        return parse_position(read_text(fields, "position") or "")
    except ValueError:
        return None


def _read_presence(fields: dict[str, Any], topic: str) -> Presence:
    count = int(read_number(fields, "count") or 0)
    return Presence(topic, count, _read_names(fields.get("joined")), _read_names(fields.get("left")))


def _read_names(names: object) -> tuple[str, ...]:
    return tuple(each for each in names if isinstance(each, str)) if isinstance(names, list) else ()


def _read_value(fields: dict[str, Any], max_bytes: int) -> Value | None:
    etag, failure = read_text(fields, "etag") or "", fields.get("error")
    if isinstance(failure, dict):
        return Value(etag=etag, failure=error_from_wire(failure))
    if "data" not in fields and "url" not in fields:
        patch = _read_patch(fields)
        return None if patch is None else Value(etag=etag, patch=patch)
    try:
        data = read_data(fields, max_bytes)
    except PushasideError as exc:
        return Value(etag=etag, error=exc)
    return Value(data, etag, None if "data" in fields else fields["url"])


def _read_patch(fields: dict[str, Any]) -> Patch | None:
    base, digest = read_text(fields, "base"), read_text(fields, "digest")
    merge, operations = fields.get("merge_patch"), fields.get("json_patch")
    body = merge if isinstance(merge, dict) else operations if isinstance(operations, list) else None
    return None if base is None or digest is None or body is None else Patch(body, base, digest)
