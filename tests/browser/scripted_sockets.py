"""A scripted service on the other side of a page's sockets, which counts what it is asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, WebSocketRoute


@dataclass
class ScriptedService:
    """Answers a page's sockets to a URL as the service would, by the values that a test gives it.

    values: the answer to `subscribe` and `request` by compute: `{"data", "etag"}`, `{"error"}`, or neither of them.
    """

    page: Page
    url: str
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_up: bool = True
    answers_requests: bool = True
    sockets: list[WebSocketRoute] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        """Take the place of the service for the page's sockets."""
        self.page.route_web_socket(re.compile(re.escape(self.url)), self._accept)

    def count(self, action: str) -> int:
        """Count what was asked."""
        return Counter(each["action"] for each in self.received)[action]

    def asked(self, action: str) -> list[dict[str, Any]]:
        """List what was asked by its action."""
        return [each for each in self.received if each["action"] == action]

    def wait_for(self, action: str, count: int = 1) -> None:
        """Let the page run until it has asked so often."""
        for _ in range(400):
            if self.count(action) >= count:
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"{action} was asked {self.count(action)} times, not {count}: {self.received}")

    def say(self, message: dict[str, Any]) -> None:
        """Push a message on the newest connection."""
        self.sockets[-1].send(json.dumps(message))

    def update(self, compute: str, params: dict[str, Any], **value: Any) -> None:
        """Push a live result's newest value, and keep it for the next question."""
        self.values[compute] = value
        self.offset += 1
        self.say({"type": "update", "topic": topic_of(compute, params), "position": self._position, **value})

    def message(self, topic: str, data: object, kind: str = "update") -> None:
        """Push a channel's next message."""
        self.offset += 1
        self.say({"type": kind, "topic": topic, "position": self._position, "data": data})

    def cut(self) -> None:
        """Lose the newest connection."""
        self.sockets[-1].close(code=1001)

    @property
    def _position(self) -> str:
        return f"e1:{self.offset}"

    def _accept(self, socket: WebSocketRoute) -> None:
        if not self.is_up:
            socket.close(code=1001)
            return
        self.sockets.append(socket)
        socket.on_message(lambda text: self._answer(socket, json.loads(text)))

    def _answer(self, socket: WebSocketRoute, asked: dict[str, Any]) -> None:
        self.received.append(asked)
        for answer in self._answers(asked):
            socket.send(json.dumps({"id": asked.get("id"), **answer}))

    def _answers(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        match asked["action"]:
            case "hello":
                return [{"type": "welcome", "session": "s1", "recovered": True}]
            case "ping":
                return [{"type": "pong"}]
            case "unsubscribe":
                return [{"type": "unsubscribed", "topic": asked["topic"]}]
            case "publish":
                return [{"type": "published", "position": "e1:7"}]
            case "subscribe":
                return [self._subscribed(asked)]
            case "request" if self.answers_requests:
                return [self._result(asked)]
        return []

    def _subscribed(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked.get("compute") or asked["topic"]
        value = self.values.get(name, {})
        if "refuse" in value:
            return {"type": "error", "error": value["refuse"]}
        topic = topic_of(name, asked["params"]) if "compute" in asked else name
        return {"type": "subscribed", "topic": topic, "position": self._position, "recovered": True, **value}

    def _result(self, asked: dict[str, Any]) -> dict[str, Any]:
        value = self.values.get(asked["compute"], {})
        if "error" in value:
            return {"type": "error", "error": value["error"]}
        return {"type": "result", "key": "k", "cache": "hit", "age_ms": 2000, **value}


def topic_of(compute: str, params: dict[str, Any]) -> str:
    """Name the topic of a live result, the same for equal params."""
    digest = sum(json.dumps(params, sort_keys=True).encode())
    return f"{compute}@1:{digest:x}"
