"""Messages for subscribers: `update`, and `resync` where messages before it are missing.

A frame is rendered once for all its receivers. Data is spliced in and never decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from push.errors import RequestError
from push.protocol.frames import render_with_data, render_with_link
from push.protocol.payloads import LINK_SECONDS
from push.topics.histories import History, Message
from push.topics.live_results import LiveEntry, parse_entry
from push.topics.positions import Position
from push.topics.topics import Topic

if TYPE_CHECKING:
    # Importing it takes 34 ms, and most workers never make a patch.
    from push.topics.patches import Patch

Link = Callable[[str, int], str]
"""Returns a URL of a payload, given its name and how many seconds the URL is valid."""


class Step(msgspec.Struct, frozen=True):
    """A frame, and the position of a subscriber that received it."""

    frame: bytes
    reached: Position


def render_history(topic: Topic, history: History, link: Link) -> tuple[Step, ...]:
    """Render the frames that bring a subscriber to the end of a history.

    A live result needs only its newest value. An incomplete history is one `resync`; an empty one needs no frame.

    Args:
        topic: the history's topic.
        history: the messages after the subscriber's position.
        link: makes links to data that exceeds a message.
    """
    if not history.is_complete:
        latest = history.messages[-1] if history.messages else None
        return (Step(_render("resync", topic, history.head, latest, link), history.head),)
    messages = history.messages[-1:] if topic.is_live else history.messages
    return tuple(Step(_render("update", topic, each.position, each, link), each.position) for each in messages)


def render_lost(topic: Topic, position: Position) -> bytes:
    """Render a live result's `resync` without a value: its client subscribes again."""
    return _render("resync", topic, position, None, _no_link)


def render_patched(topic: Topic, position: Position, etag: str, base: str, patch: Patch) -> bytes:
    """Render an `update` with the patch from the value of etag `base` to the value of `etag`."""
    head = f'{{"type":"update","topic":"{topic.name}","position":"{position}","etag":"{etag}"'
    patched = f'"base":"{base}","digest":"{patch.digest}","{patch.kind}_patch":{patch.body.decode()}'
    return f"{head},{patched}}}".encode()


def render_presence(topic: Topic, count: int, joined: Sequence[str], left: Sequence[str]) -> bytes:
    """Render `presence`: the number of connections, and the principals that joined and left since the last message."""
    message = {"type": "presence", "topic": topic.name, "count": count, "joined": joined, "left": left}
    return msgspec.json.encode(message)


def read_entry(message: Message) -> LiveEntry | None:
    """Parse a live result's entry; None if it is malformed."""
    try:
        return parse_entry(message.data)
    except RequestError:
        # Another version of the service wrote it; the topic must go on.
        return None


def _render(kind: str, topic: Topic, position: Position, message: Message | None, link: Link) -> bytes:
    head = f'{{"type":"{kind}","topic":"{topic.name}","position":"{position}"'
    if topic.is_live:
        return _render_live(head, message, link).encode()
    return render_with_data(head, message.data if message else b"null").encode()


def _no_link(_payload: str, _seconds: int) -> str:
    return ""


def _render_live(head: str, message: Message | None, link: Link) -> str:
    entry = None if message is None else read_entry(message)
    if entry is None:
        # A null could be mistaken for the value. A client that gets only a position resubscribes.
        return head + "}"
    head = f'{head},"etag":"{entry.etag}"'
    if entry.payload:
        return render_with_link(head, link(entry.payload, LINK_SECONDS))
    if error := bytes(entry.error):
        return f'{head},"error":{error.decode()}}}'
    return render_with_data(head, bytes(entry.data))
