"""Messages: does what a message's `do` asks, and by default answers with the event."""

from __future__ import annotations

import json
import time
from typing import Any

_MEETING_SECONDS = 8.0


def handler(event: dict[str, Any], context: object) -> Any:
    """Answer a MESSAGE event."""
    message = _parsed(event.get("body"))
    match message.get("do"):
        case "throw":
            raise RuntimeError("asked to throw")
        case "sleep":
            time.sleep(message["seconds"])
            return {"statusCode": 200, "body": "slept"}
        case "status":
            return {"statusCode": message["status"], "body": "whatever the status"}
        case "text":
            return {"statusCode": 200, "body": message["text"]}
        case "size":
            return {"statusCode": 200, "body": "x" * message["size"]}
        case "nothing":
            return {"statusCode": 200}
        case "record":
            _record(message["subject"], "MESSAGE", event)
            return {"statusCode": 200, "body": "recorded"}
        case "meet":
            return {"statusCode": 200, "body": _meet(message["subject"], message["me"], message["other"])}
        case _:
            return {"statusCode": 200, "body": json.dumps(event)}


def _parsed(body: str | None) -> dict[str, Any]:
    try:
        message = json.loads(body or "{}")
    except json.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def _record(subject: str, kind: str, value: Any) -> None:
    from events_table import record  # imported late: one of the stacks has no table

    record(subject, kind, value)


def _meet(subject: str, me: str, other: str) -> str:
    """Wait for another invocation that names the same subject, and say whether it came."""
    from events_table import kinds

    _record(subject, me, None)
    deadline = time.monotonic() + _MEETING_SECONDS
    while time.monotonic() < deadline:
        if other in kinds(subject):
            return f"{me} met {other}"
        time.sleep(0.02)
    return f"{me} was alone"
