"""The subscriptions to live results on open connections, remembered so that a reload can repeat them.

A subscription is idempotent. Repeating one makes the service compute a result that is no longer stored, and push it to
every subscriber. So the runtime needs no knowledge of jobs and keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import orjson

from local.functions.invocation import Invocation, Outcome
from local.gateway.integration_calls import OnEnd

ROUTES: Final = frozenset(("subscribe", "unsubscribe"))
"""The route keys of the messages to pass to `noting`."""


class LiveSubscriptions:
    """Remembers the `subscribe` messages of live results, by connection and topic."""

    def __init__(self) -> None:
        self._by_connection: dict[str, dict[str, str]] = {}

    def noting(self, connection_id: str, text: str, on_end: OnEnd) -> OnEnd:
        """Return a callback that notes the answer to a message, and then calls `on_end`."""

        def note(invocation: Invocation) -> None:
            if invocation.outcome is Outcome.RETURNED:
                self._note(connection_id, text, _frame_of(invocation))
            on_end(invocation)

        return note

    def forget(self, connection_id: str) -> None:
        """Forget a connection that has ended."""
        self._by_connection.pop(connection_id, None)

    def of(self, computes: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield the connection and the message of each subscription to one of the computes."""
        for connection_id, messages in list(self._by_connection.items()):
            for text in list(messages.values()):
                if _object_of(text).get("compute") in computes:
                    yield connection_id, text

    def _note(self, connection_id: str, text: str, frame: dict[str, Any]) -> None:
        topic = frame.get("topic")
        if frame.get("type") == "subscribed" and _object_of(text).get("compute") is not None:
            self._by_connection.setdefault(connection_id, {})[str(topic)] = text
        elif frame.get("type") == "unsubscribed":
            self._by_connection.get(connection_id, {}).pop(str(topic), None)


def _frame_of(invocation: Invocation) -> dict[str, Any]:
    """Return the frame in a function's answer; empty if there is none."""
    if invocation.is_text:
        return _object_of(invocation.answer)
    return _object_of(_object_of(invocation.answer).get("body"))


def _object_of(text: object) -> dict[str, Any]:
    """Return a JSON object; empty if the text is not one."""
    if not isinstance(text, str | bytes):
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
