"""Topics that are being unsubscribed, and who has to wait for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pushaside.protocol.topic_questions import ChannelSubject, Subject, UnsubscribeQuestion
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.links import Link

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Farewell:
    """What is asked, and whose the topic was: None if it is a live result of that nobody knows any more."""

    exchange: Exchange
    subject: Subject | None


class Farewells:
    """Unsubscribes topics; `left` is called with when that was asked, once one of them is over."""

    def __init__(self, new_id: Callable[[], str], exchanges: Exchanges, left: Callable[[float], None]) -> None:
        self._new_id = new_id
        self._exchanges = exchanges
        self._left = left
        self._said: dict[str, _Farewell] = {}

    def say(self, topic: str, subject: Subject | None, link: Link, now: float) -> None:
        """Unsubscribe a topic on a connection, unless that is being done."""
        if topic in self._said:
            return
        exchange = Exchange(self._new_id(), UnsubscribeQuestion(topic), now, now + _SECONDS)
        exchange.settled = lambda _outcome: self._end(topic)
        self._said[topic] = _Farewell(exchange, subject)
        self._exchanges.add(exchange)
        self._exchanges.ask(exchange, link, now)

    def answered(self, exchange_id: str) -> None:
        """Take an answer."""
        for topic, farewell in list(self._said.items()):
            if farewell.exchange.id == exchange_id:
                self._exchanges.remove(farewell.exchange)
                self._end(topic)

    def stop(self) -> None:
        """Expect no answers any more: the connection is another one."""
        for farewell in self._said.values():
            self._exchanges.remove(farewell.exchange)
        self._said.clear()

    def concern(self, subject: Subject) -> bool:
        """Tell whether what is being unsubscribed may be of a subject."""
        return any(
            each.subject == subject or (each.subject is None and not _is_other(subject, topic))
            for topic, each in self._said.items()
        )

    def _end(self, topic: str) -> None:
        self._left(self._said.pop(topic).exchange.asked_at)


def _is_other(subject: Subject, topic: str) -> bool:
    """Tell whether a topic can't be that of a subject."""
    return isinstance(subject, ChannelSubject) and subject.topic != topic
