"""Topics that the client is unsubscribing from, and the subscriptions that must wait for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pushaside.protocol.topic_questions import ChannelSubject, Subject, UnsubscribeQuestion
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.links import Link

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Farewell:
    """A pending unsubscription and its subject, which is None for a live result whose subject is unknown."""

    exchange: Exchange
    subject: Subject | None


class Farewells:
    """Unsubscribes topics; calls `left` with the time of the message once an unsubscription has ended."""

    def __init__(self, new_id: Callable[[], str], exchanges: Exchanges, left: Callable[[float], None]) -> None:
        self._new_id = new_id
        self._exchanges = exchanges
        self._left = left
        self._said: dict[str, _Farewell] = {}

    def say(self, topic: str, subject: Subject | None, link: Link, now: float) -> None:
        """Unsubscribe a topic on a connection, unless that is pending."""
        if topic in self._said:
            return
        exchange = Exchange(self._new_id(), UnsubscribeQuestion(topic), now, now + _SECONDS)
        exchange.settled = lambda _outcome: self._end(topic)
        self._said[topic] = _Farewell(exchange, subject)
        self._exchanges.add(exchange)
        self._exchanges.ask(exchange, link, now)

    def answered(self, exchange_id: str) -> None:
        """Handle the answer of the service."""
        for topic, farewell in list(self._said.items()):
            if farewell.exchange.id == exchange_id:
                self._exchanges.remove(farewell.exchange)
                self._end(topic)

    def stop(self) -> None:
        """Drop all pending unsubscriptions, because the connection was replaced."""
        for farewell in self._said.values():
            self._exchanges.remove(farewell.exchange)
        self._said.clear()

    def concern(self, subject: Subject) -> bool:
        """Tell whether a pending unsubscription may concern a subject."""
        return any(
            each.subject == subject or (each.subject is None and not _is_other(subject, topic))
            for topic, each in self._said.items()
        )

    def _end(self, topic: str) -> None:
        self._left(self._said.pop(topic).exchange.asked_at)


def _is_other(subject: Subject, topic: str) -> bool:
    """Tell whether a topic cannot belong to a subject."""
    return isinstance(subject, ChannelSubject) and subject.topic != topic
