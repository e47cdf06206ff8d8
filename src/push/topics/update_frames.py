"""What subscribers are pushed: `update`, and `resync` where something before it is missing.

A frame is written once for all who are pushed it. Data are spliced in and never decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    # It takes 34 ms to import, and most who fan out never make a patch.
    from push.topics.patches import Patch

Link = Callable[[str, int], str]
"""Makes a URL of a payload that can be followed for so many seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """A frame, and where who has been pushed it is then."""

    frame: bytes
    reached: Position


def render_history(topic: Topic, history: History, link: Link) -> tuple[Step, ...]:
    """Write what takes a subscriber to the end of a history.

    Of a live result that is its newest value alone. Incomplete, it is one `resync`; empty, nothing.

    Args:
        topic: the history's.
        history: from where the subscriber is.
        link: makes the links to what fits no message.
    """
    if not history.is_complete:
        latest = history.messages[-1] if history.messages else None
        return (Step(_render("resync", topic, history.head, latest, link), history.head),)
    messages = history.messages[-1:] if topic.is_live else history.messages
    return tuple(Step(_render("update", topic, each.position, each, link), each.position) for each in messages)


def render_patched(topic: Topic, position: Position, etag: str, base: str, patch: Patch) -> bytes:
    """Write an `update` with what makes the value of that etag from the one of etag `base`."""
    head = f'{{"type":"update","topic":"{topic.name}","position":"{position}","etag":"{etag}"'
    patched = f'"base":"{base}","digest":"{patch.digest}","{patch.kind}_patch":{patch.body.decode()}'
    return f"{head},{patched}}}".encode()


def render_presence(topic: Topic, count: int, joined: Sequence[str], left: Sequence[str]) -> bytes:
    """Write `presence`: how many connections are there, and which principals came and went since it was last told."""
    message = {"type": "presence", "topic": topic.name, "count": count, "joined": joined, "left": left}
    return msgspec.json.encode(message)


def read_entry(message: Message) -> LiveEntry | None:
    """Read a live result's entry; None if it can't be made out."""
    try:
        return parse_entry(message.data)
    except RequestError:
        # Written by another version of this service; the topic must not stand still for it.
        return None


def _render(kind: str, topic: Topic, position: Position, message: Message | None, link: Link) -> bytes:
    head = f'{{"type":"{kind}","topic":"{topic.name}","position":"{position}"'
    if topic.is_live:
        return _render_live(head, message, link).encode()
    return render_with_data(head, message.data if message else b"null").encode()


def _render_live(head: str, message: Message | None, link: Link) -> str:
    entry = None if message is None else read_entry(message)
    if entry is None:
        # Null could be taken for the value: who is told only where it is asks again.
        return head + "}"
    head = f'{head},"etag":"{entry.etag}"'
    if entry.payload:
        return render_with_link(head, link(entry.payload, LINK_SECONDS))
    if error := bytes(entry.error):
        return f'{head},"error":{error.decode()}}}'
    return render_with_data(head, bytes(entry.data))
