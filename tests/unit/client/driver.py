"""Carries out a session's effects on a network and a clock that tests move by hand."""

from __future__ import annotations

import itertools
import random as system_random
from collections.abc import Callable

import orjson

from pushaside.errors import PushasideError
from pushaside.protocol.messages import Result, read_message
from pushaside.protocol.questions import PingQuestion, ask_compute
from pushaside.session.effects import (
    Close,
    Connect,
    Effect,
    End,
    Fetch,
    FetchFailure,
    Notify,
    Outcome,
    Send,
    Settle,
    TellPresence,
)
from pushaside.session.session import Session
from pushaside.settings import Settings

MOST_TICKS = 10_000


def no_jitter() -> float:
    return 0.0


class Driver:
    """Time is `now`, and passes by `advance` only; nothing is delivered but by the test.

    It also holds the session to what it owes its shell: one outcome per question, nothing sent on a connection that
    is not open, and one attempt to connect at a time.
    """

    def __init__(self, settings: Settings | None = None, random: Callable[[], float] = no_jitter) -> None:
        ids = itertools.count(1)
        self.settings = settings or Settings()
        self.accept = ("gzip",) if self.settings.accept_gzip else ()
        self.session = Session(self.settings, random=random, new_id=lambda: f"q{next(ids)}")
        self.now = 100.0
        self.sent: list[tuple[int, dict]] = []
        self.outcomes: dict[str, Outcome] = {}
        self.asked: list[str] = []
        self.forgotten: set[str] = set()
        self.links: list[int] = []
        self.closed: list[int] = []
        self.fetches: list[Fetch] = []
        self.fetching: set[str] = set()
        self.waits: list[float] = []
        self.notified: list[str] = []
        self.presence: list[TellPresence] = []
        self.connecting = False
        self.ended: PushasideError | None = None
        self._link_ids = itertools.count(1)
        self.session.start()
        self._carry_out()

    # The caller

    def ask(self, params: dict | None = None, deadline: float = 30.0, max_age: float | None = None) -> str:
        question = ask_compute("documents", params, max_age=max_age, accept=self.accept)
        return self._asked(self.session.ask(question, deadline, self.now))

    def ping(self, deadline: float = 10.0) -> str:
        return self._asked(self.session.ask(PingQuestion(), deadline, self.now))

    def forget(self, question_id: str) -> None:
        self.forgotten.add(question_id)
        self.session.forget(question_id)
        self._carry_out()

    def end(self, error: PushasideError) -> None:
        self.session.end(error)
        self._carry_out()

    # The network

    def open(self) -> int:
        """Let the attempt to connect that is planned succeed."""
        assert self.connecting, "no attempt to connect is planned"
        self.connecting = False
        link = next(self._link_ids)
        self.links.append(link)
        self.session.link_opened(link, self.now)
        self._carry_out()
        return link

    def refuse(self, error: PushasideError) -> None:
        assert self.connecting, "no attempt to connect is planned"
        self.connecting = False
        self.session.connect_failed(error, self.now)
        self._carry_out()

    def lose(self, link: int) -> None:
        if link in self.links:
            self.links.remove(link)
        self.session.link_lost(link, self.now)
        self._carry_out()

    def receive(self, link: int, **fields: object) -> None:
        self.session.received(link, read_message(orjson.dumps(fields), self.settings.max_result_bytes), self.now)
        self._carry_out()

    def result(self, link: int, question_id: str, data: object = None, **fields: object) -> None:
        answer = {"type": "result", "id": question_id, "key": "k", "etag": "e", "cache": "hit", "age_ms": 0}
        self.receive(link, **{**answer, "data": data, **fields})

    def error(self, link: int, question_id: str | None, code: str, **fields: object) -> None:
        identity = {} if question_id is None else {"id": question_id}
        error = {"code": code, "message": f"It is {code}.", "retryable": False, **fields}
        self.receive(link, type="error", **identity, error=error)

    def fault(self, link: int, message: str = "Internal server error") -> None:
        self.receive(link, message=message, connectionId="c", requestId="r")

    def fetched(self, question_id: str, data: object) -> None:
        """Let the link that is being followed for a question lead to this data."""
        fetch = next(each for each in reversed(self.fetches) if each.id == question_id)
        self._report(question_id, fetch.linked.result._replace(data=data))

    def fetch_failed(self, question_id: str, failure: FetchFailure) -> None:
        self._report(question_id, failure)

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the session whenever it asked for it."""
        until = self.now + seconds
        for _ in range(MOST_TICKS):
            at = self.session.next_at()
            if at is None or at > until:
                self.now = until
                return
            self.now = max(self.now, at)
            self.session.tick(self.now)
            self._carry_out()
        raise AssertionError("the session wants to be woken for ever")

    # What came of it

    def actions(self, link: int) -> list[str]:
        return [message["action"] for on, message in self.sent if on == link]

    def requests(self, link: int) -> list[str]:
        """Ids of the requests sent on a connection, each as often as it was sent."""
        return [message["id"] for on, message in self.sent if on == link and message["action"] == "request"]

    def hello(self, link: int) -> dict:
        return next(message for on, message in self.sent if on == link and message["action"] == "hello")

    def _asked(self, question_id: str) -> str:
        self.asked.append(question_id)
        self._carry_out()
        return question_id

    def _report(self, question_id: str, outcome: Result | FetchFailure) -> None:
        self.fetching.discard(question_id)
        self.session.fetched(question_id, outcome, self.now)
        self._carry_out()

    def _carry_out(self) -> None:
        for effect in self.session.take_effects():
            self._carry_out_one(effect)

    def _carry_out_one(self, effect: Effect) -> None:
        match effect:
            case Send():
                assert effect.link in self.links, "sent on a connection that is not open"
                self.sent.append((effect.link, orjson.loads(effect.message)))
            case Settle():
                assert effect.id not in self.outcomes, "settled twice"
                assert effect.id not in self.forgotten, "settled after it was forgotten"
                self.outcomes[effect.id] = effect.outcome
            case Fetch():
                assert effect.id not in self.fetching, "fetched twice at once"
                assert effect.id not in self.outcomes, "fetched after it was settled"
                self.fetching.add(effect.id)
                self.fetches.append(effect)
            case Connect():
                assert not self.connecting, "two attempts to connect at once"
                self.connecting = True
                self.waits.append(effect.after_seconds)
            case Close():
                self.closed.append(effect.link)
                self.links.remove(effect.link)
            case Notify():
                self.notified.append(effect.id)
            case TellPresence():
                self.presence.append(effect)
            case End():
                assert self.ended is None, "ended twice"
                self.ended = effect.error


def seeded(seed: int) -> Callable[[], float]:
    return system_random.Random(seed).random
