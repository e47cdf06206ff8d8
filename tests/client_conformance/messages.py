"""The messages that the service's steps send, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.client_conformance.templates import Names, dump, fill_in, make_etag

Step = Mapping[str, Any]
Message = dict[str, Any]

KEY = "demo@1:5f0c3a9d1be27c4488a6e0f1d2c3b4a5"
LIMITS = {"frame_bytes": 32768, "message_bytes": 131072}


def messages_of(step: Step, names: Names) -> list[Message]:
    """Make the messages that a step sends; none if it sends nothing, or what is no message."""
    match step:
        case {"send": message}:
            return [fill_in(message, names)]
        case {"send_result": fields}:
            return [_result(fill_in(fields, names), names)]
        case {"send_error": fields}:
            return [_error(fields, names)]
        case {"send_chunks": message}:
            return _chunks(step, fill_in(message, names))
        case {"send_updates": [first, last], "topic": topic, "epoch": epoch}:
            head = {"type": "update", "topic": topic}
            return [{**head, "position": f"{epoch}:{number}", "data": number} for number in range(first, last + 1)]
        case _:
            return []


def make_welcome(hello_id: object, fields: Mapping[str, Any]) -> Message:
    """Make the answer to a hello; `fields` take the place of what is usual."""
    welcome = {"type": "welcome", "id": hello_id, "session": "s-1", "limits": LIMITS}
    return {**welcome, "reconnect_after_seconds": 6600, **fields}


def _result(fields: Message, names: Names) -> Message:
    """Make a result: `to` names the request, and what is usual is left out."""
    head = {"type": "result", "id": names[fields.pop("to")]["id"], "key": KEY}
    etag = make_etag(dump(fields.get("data")))
    return {**head, "etag": etag, "cache": "hit", "age_ms": 3, **fields}


def _error(fields: Message, names: Names) -> Message:
    error = {name: field for name, field in fields.items() if name != "to"}
    error.setdefault("message", "It can't be done.")
    return {"type": "error", "id": names[fields["to"]]["id"], "error": error}


def _chunks(step: Step, message: Message) -> list[Message]:
    """Cut the text of a message into chunks, as a step says: so many, in which order, and under which `of`."""
    text, count = dump(message), step["count"]
    pieces = [text[len(text) * index // count : len(text) * (index + 1) // count] for index in range(count)]
    head = {"type": "chunk", "id": message["id"]}
    tail = {"count": count, "of": step.get("of", "3f9a0c1be2d45a67")}
    return [head | {"index": index} | tail | {"data": pieces[index]} for index in step.get("order", range(count))]
