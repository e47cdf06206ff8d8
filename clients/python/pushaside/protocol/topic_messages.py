"""The server's messages about topics: subscriptions, updates, publications and presence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pushaside.errors import PushasideError, error_from_wire
from pushaside.protocol.fields import read_data, read_number, read_text
from pushaside.protocol.patches import Patch
from pushaside.protocol.positions import Position, parse_position


@dataclass(frozen=True, slots=True)
class Value:
    """The value in a message: data, a link to it, a patch of the value before, or an error.

    `failure` is the error of the compute; `error` is the reason why the data cannot be read.
    """

    data: Any = None
    etag: str = ""
    url: str | None = None
    patch: Patch | None = None
    failure: PushasideError | None = None
    error: PushasideError | None = None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription `id` is active: the service pushes everything after the position.

    If it is not `recovered`, messages since the subscriber's position are lost, and the value, if any, replaces them.
    """

    id: str
    topic: str
    position: Position
    recovered: bool
    value: Value | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """An `update`, or with `is_resync` a `resync`: messages before it are missing, and the value replaces them."""

    topic: str
    position: Position
    value: Value | None
    is_resync: bool


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The service pushes nothing more of the topic."""

    id: str


@dataclass(frozen=True, slots=True)
class Published:
    """The message published under `id` has this position in its topic."""

    id: str
    position: str


@dataclass(frozen=True, slots=True)
class Presence:
    """The subscribers that joined and left a topic.

    `count` is the number of connections now; `joined` and `left` are principals, at most 200 each.
    """

    topic: str
    count: int
    joined: tuple[str, ...]
    left: tuple[str, ...]


TopicMessage = Subscribed | Pushed | Unsubscribed | Published | Presence


def read_topic_message(fields: dict[str, Any], max_bytes: int) -> TopicMessage | None:
    """Read a message of one of `TOPIC_TYPES`; None if a required field is missing.

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
