"""Messages of topics that nobody is known to have subscribed to yet: an update may overtake `subscribed`."""

from __future__ import annotations

from pushaside.protocol.topic_messages import Pushed

_MOST = 1000
"""So many live results are held whose topics are not known yet; a connection has no more topics."""


class Strays:
    """The newest message of each topic; those that were held first are let go first."""

    def __init__(self) -> None:
        self._held: dict[str, Pushed] = {}

    def hold(self, pushed: Pushed) -> None:
        """Keep a message, unless a newer one of its topic is there."""
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
        """Take out what is held of a topic."""
        return self._held.pop(topic, None)

    def clear(self) -> None:
        """Let go of all: whose they could be is known."""
        self._held.clear()
