"""The questions that are not settled: where each was sent, and when it is sent again."""

from __future__ import annotations

import math
from collections.abc import Callable

from pushaside.backoff import growing
from pushaside.progress import Progress, Stage, Unit
from pushaside.protocol.chunks import Pieces
from pushaside.protocol.messages import Linked
from pushaside.protocol.questions import Question
from pushaside.session.agenda import Agenda
from pushaside.session.effects import Effect, Fetch, Outcome, Report, Send, Settle
from pushaside.session.links import Link
from pushaside.settings import Settings


class Exchange:
    """A question that is not settled.

    It was sent on a link, or waits until `ask_at`, which is infinite for "as soon as there is a link". Or it was
    answered with a link to its data, `linked`, which is being fetched or will be at `ask_at`. `settled` receives the
    outcome in place of the caller. If it `is_watched`, its progress is reported.

    The defaults are class attributes, because most of them never change and instances are created for every request.
    """

    link: Link | None = None
    asked_at: float = 0.0
    ask_at: float = math.inf
    accepted: bool = False
    silences: int = 0
    retries: int = 0
    linked: Linked | None = None
    fetches: int = 0
    trouble: str = ""
    settled: Callable[[Outcome], None] | None = None
    attempts: int = 0

    def __init__(
        self,
        exchange_id: str,
        question: Question,
        opened_at: float,
        deadline: float,
        *,
        is_watched: bool = False,
    ) -> None:
        self.id = exchange_id
        self.question = question
        self.opened_at = opened_at
        self.deadline = deadline
        self.is_watched = is_watched

    @property
    def waits_for_link(self) -> bool:
        """Whether it waits for a connection and nothing else."""
        return self.link is None and self.ask_at == math.inf and self.linked is None

    @property
    def is_fetching(self) -> bool:
        """Whether its data is being fetched."""
        return self.linked is not None and self.ask_at == math.inf


class Exchanges:
    """All exchanges by id; messages and outcomes are appended to `effects`."""

    def __init__(self, settings: Settings, random: Callable[[], float], effects: list[Effect]) -> None:
        self._settings = settings
        self._random = random
        self._effects = effects
        self._exchanges: dict[str, Exchange] = {}
        self._agenda = Agenda()
        self.pieces = Pieces(settings.max_unfinished_bytes, settings.max_unfinished_results)

    def get(self, exchange_id: str | None) -> Exchange | None:
        """Return an exchange that is not settled, or None."""
        return None if exchange_id is None else self._exchanges.get(exchange_id)

    def all(self) -> list[Exchange]:
        """List all exchanges, the oldest first."""
        return list(self._exchanges.values())

    def on(self, link: Link) -> list[Exchange]:
        """List the exchanges that were last sent on a link."""
        return [self._exchanges[name] for name in link.unanswered]

    def next_at(self) -> float | None:
        """Return when the next exchange is due."""
        return self._agenda.next_at()

    def take_due(self, now: float) -> list[Exchange]:
        """Remove and return the exchanges that are due; the caller must settle or send each of them."""
        return [self._exchanges[name] for name in self._agenda.take_due(now)]

    def add(self, exchange: Exchange) -> None:
        """Add an exchange that is about to be sent."""
        self._exchanges[exchange.id] = exchange

    def ask(self, exchange: Exchange, link: Link | None, now: float, message: bytes | None = None) -> None:
        """Send the question on a link, for the first time or again; without a link, leave it for the next one.

        `message` is the written question, if the caller has it.
        """
        if exchange.link is not None and exchange.link is not link:
            self._take_off(exchange)
        exchange.link, exchange.ask_at, exchange.accepted, exchange.linked = link, math.inf, False, None
        if link is not None:
            exchange.asked_at = link.sent_at = now
            exchange.attempts += 1
            link.unanswered[exchange.id] = None
            if exchange.question.asked_again:
                exchange.ask_at = now + self._patience(exchange.silences)
            else:
                link.note_ping(exchange.id, now)
            message = message or exchange.question.write(exchange.id, exchange.deadline - now)
            self._effects.append(Send(link.id, message))
            if exchange.is_watched:
                self.report(exchange, "sent")
        self._agenda.put(exchange.id, min(exchange.deadline, exchange.ask_at))

    def ask_later(self, exchange: Exchange, at: float, trouble: str) -> None:
        """Count a retry and plan it for a time; `trouble` is the reason."""
        self._take_off(exchange)
        exchange.linked = None
        exchange.retries += 1
        exchange.ask_at, exchange.trouble = at, trouble
        self._agenda.put(exchange.id, min(exchange.deadline, at))

    def hear(self, exchange: Exchange, now: float) -> None:
        """Note that an answer is arriving, and restart the interval of silence."""
        exchange.accepted = True
        if exchange.link is not None:
            exchange.ask_at = now + self._patience(exchange.silences)
            self._agenda.put(exchange.id, min(exchange.deadline, exchange.ask_at))

    def fetch(self, exchange: Exchange, linked: Linked) -> None:
        """Fetch the data of an answer, for the first time or again; the question is not sent meanwhile."""
        self._take_off(exchange)
        self.pieces.drop_request(exchange.id)
        exchange.fetches = 1 if exchange.linked is None else exchange.fetches + 1
        exchange.linked, exchange.ask_at = linked, math.inf
        self.report(exchange, "fetching", unit="bytes")
        self._effects.append(Fetch(exchange.id, linked))
        self._agenda.put(exchange.id, exchange.deadline)

    def fetch_later(self, exchange: Exchange, at: float, trouble: str) -> None:
        """Plan another fetch for a time; `trouble` is the reason."""
        exchange.ask_at, exchange.trouble = at, trouble
        self._agenda.put(exchange.id, min(exchange.deadline, at))

    def report(
        self, exchange: Exchange, stage: Stage, received: int = 0, expected: int | None = None, unit: Unit = "pieces"
    ) -> None:
        """Report the progress of an exchange, if it is watched."""
        if exchange.is_watched:
            progress = Progress(stage, exchange.attempts, received, expected, unit)
            self._effects.append(Report(exchange.id, progress))

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """End an exchange with its one outcome."""
        self.remove(exchange)
        if exchange.settled is None:
            self._effects.append(Settle(exchange.id, outcome))
        else:
            exchange.settled(outcome)

    def remove(self, exchange: Exchange) -> None:
        """End an exchange without an outcome."""
        del self._exchanges[exchange.id]
        self._agenda.drop(exchange.id)
        self.pieces.drop_request(exchange.id)
        self._take_off(exchange)

    def _take_off(self, exchange: Exchange) -> None:
        if exchange.link is not None:
            exchange.link.unanswered.pop(exchange.id, None)
            exchange.link = None

    def _patience(self, silences: int) -> float:
        return growing(
            silences,
            self._random(),
            base_seconds=self._settings.reask_seconds,
            cap_seconds=self._settings.reask_cap_seconds,
        )
