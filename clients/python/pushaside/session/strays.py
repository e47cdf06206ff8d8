"""Messages of topics that no subscription is known to have yet: an update may overtake `subscribed`."""

from __future__ import annotations

from pushaside.protocol.topic_messages import Pushed

_MOST = 1000
"""The bound of held messages; a connection has no more topics."""


class Strays:
    """The newest message of each unknown topic; beyond the bound, the oldest topic is dropped."""

    def __init__(self) -> None:
        self._held: dict[str, Pushed] = {}

    def hold(self, pushed: Pushed) -> None:
        """Hold a message, unless a newer one of its topic is held."""
        held = self._held.pop(pushed.topic, None)
        is_older = (
            held is not None
            and held.position.epoch == pushed.position.epoch
            and held.position.offset > pushed.position.offset
        )
        self._held[pushed.topic] = held if held is not None and is_older else pushed
        if len(self._held) > _MOST:
            del self._held[next(iter(self._held))]

    def take(self, topic: str) -> Pushed | None:
        """Remove and return the message of a topic."""
        return self._held.pop(topic, None)

    def clear(self) -> None:
        """Drop all messages: every subscription's topic is known."""
        self._held.clear()
