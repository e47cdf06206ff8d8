"""Whatever happens in whatever order, everything asked has exactly one outcome, by its deadline.

The driver itself fails a test in which something is settled twice, sent on a connection that is not open, or
connected to twice at once.
"""

from __future__ import annotations

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from pushaside.errors import CannotConnectError, UnauthorizedError
from pushaside.protocol.messages import Result
from pushaside.session.effects import FetchFailure, Remedy
from pushaside.settings import Settings
from tests.unit.client.driver import Driver, seeded

LONGEST_DEADLINE = 40.0

which = st.integers(min_value=0, max_value=50)
steps = st.one_of(
    st.tuples(st.just("ask"), which, st.floats(min_value=0.1, max_value=LONGEST_DEADLINE)),
    st.tuples(st.just("ping"), which, st.floats(min_value=0.1, max_value=LONGEST_DEADLINE)),
    st.tuples(st.just("forget"), which, st.none()),
    st.tuples(st.just("open"), which, st.none()),
    st.tuples(st.just("refuse"), which, st.sampled_from(["busy", "absent"])),
    st.tuples(st.just("lose"), which, st.none()),
    st.tuples(st.just("advance"), which, st.floats(min_value=0.0, max_value=15.0)),
    st.tuples(
        st.just("answer"),
        which,
        st.sampled_from(["accepted", "result", "link", "piece", "error", "later", "later", "nonsense"]),
    ),
    st.tuples(st.just("fetched"), which, st.sampled_from(["data", *Remedy])),
    st.tuples(st.just("frame"), which, st.sampled_from(["welcome", "pong", "bye", "fault", "forbidden", "error"])),
)
short = Settings(
    reask_seconds=2.0, keepalive_seconds=9.0, pong_timeout_seconds=3.0, max_connection_seconds=20.0, drain_seconds=4.0
)


class Story:
    """Plays steps; a step that makes no sense at its point does nothing."""

    def __init__(self, seed: int) -> None:
        self.driver = Driver(short, random=seeded(seed))
        self.deadlines: dict[str, float] = {}
        self.opened: list[int] = []

    def play(self, step: tuple[str, int, object]) -> None:
        name, index, detail = step
        getattr(self, name)(index, detail)

    def ask(self, _index: int, deadline: float) -> None:
        if self.driver.ended is None:
            self.deadlines[self.driver.ask(deadline=deadline)] = self.driver.now + deadline

    def ping(self, _index: int, deadline: float) -> None:
        if self.driver.ended is None:
            self.deadlines[self.driver.ping(deadline=deadline)] = self.driver.now + deadline

    def forget(self, index: int, _detail: None) -> None:
        if self.driver.asked:
            question = self.driver.asked[index % len(self.driver.asked)]
            if question not in self.driver.outcomes:
                self.driver.forget(question)

    def open(self, _index: int, _detail: None) -> None:
        if self.driver.connecting:
            self.opened.append(self.driver.open())

    def refuse(self, _index: int, kind: str) -> None:
        if self.driver.connecting:
            self.driver.refuse(CannotConnectError("No.", is_answered=kind == "busy"))

    def lose(self, index: int, _detail: None) -> None:
        if self.driver.links:
            self.driver.lose(self.driver.links[index % len(self.driver.links)])

    def advance(self, _index: int, seconds: float) -> None:
        self.driver.advance(seconds)
        self.check_deadlines()

    def answer(self, index: int, kind: str) -> None:
        """Answer anything ever asked, on any connection there ever was."""
        requests = [each for each in self.driver.asked if each in self.requested()]
        if not self.opened or not requests:
            return
        question, link = requests[index % len(requests)], self.opened[index % len(self.opened)]
        match kind:
            case "accepted":
                self.driver.receive(link, type="accepted", id=question)
            case "result":
                self.driver.result(link, question, data=question)
            case "link":
                url = "https://bucket.example/x"
                self.driver.receive(link, type="result", id=question, url=url)
            case "piece":
                text = orjson.dumps({"type": "result", "id": question, "data": question}).decode()
                half = len(text) // 2
                texts = (text[:half], text[half:])
                part = index % 2
                self.driver.receive(link, type="chunk", id=question, index=part, count=2, of="a", data=texts[part])
            case "error":
                self.driver.error(link, question, "compute_failed")
            case "later":
                self.driver.error(link, question, "rate_limited", retryable=True, retry_after_ms=700)
            case _:
                self.driver.receive(link, type="nonsense", id=question)

    def fetched(self, index: int, kind: object) -> None:
        following = sorted(self.driver.fetching)
        if not following:
            return
        question = following[index % len(following)]
        if isinstance(kind, Remedy):
            self.driver.fetch_failed(question, FetchFailure(CannotConnectError("No."), kind))
        else:
            self.driver.fetched(question, question)

    def frame(self, index: int, kind: str) -> None:
        if not self.opened:
            return
        link = self.opened[index % len(self.opened)]
        match kind:
            case "welcome":
                hello = self.driver.hello(link)["id"]
                self.driver.receive(link, type="welcome", id=hello, session="s", reconnect_after_seconds=12)
            case "pong":
                self.driver.receive(link, type="pong")
            case "bye":
                self.driver.receive(link, type="bye", code="moving", retry=True, after_ms=1000)
            case "error":
                self.driver.error(link, None, "unknown_action")
            case _:
                self.driver.fault(link, "Forbidden" if kind == "forbidden" else "Internal server error")

    def requested(self) -> set[str]:
        return {message["id"] for _, message in self.driver.sent if message["action"] == "request"}

    def check_deadlines(self) -> None:
        for question, deadline in self.deadlines.items():
            if deadline <= self.driver.now:
                assert question in self.driver.outcomes or question in self.driver.forgotten


stories = st.lists(steps, min_size=1, max_size=60)


@settings(max_examples=400, deadline=None)
@given(stories, st.integers(min_value=0, max_value=3))
def test_everything_asked_has_one_outcome_by_its_deadline(story: list, seed: int) -> None:
    teller = Story(seed)
    for step in story:
        teller.play(step)
    teller.advance(0, LONGEST_DEADLINE)

    assert set(teller.driver.outcomes) | teller.driver.forgotten == set(teller.driver.asked)
    assert all(
        outcome.id == question == outcome.data
        for question, outcome in teller.driver.outcomes.items()
        if isinstance(outcome, Result)
    )


@settings(max_examples=200, deadline=None)
@given(stories)
def test_once_the_service_answers_everything_that_is_left_is_answered(story: list) -> None:
    teller = Story(seed=1)
    driver = teller.driver
    for step in story:
        teller.play(step)
    if driver.ended is not None:
        return
    left = {each for each in teller.requested() if each not in driver.outcomes and each not in driver.forgotten}
    left = {each for each in left if teller.deadlines[each] > driver.now + 5.0}
    for link in list(driver.links):
        driver.lose(link)
    link = driver.open()
    # Requests that an error or a fault told to wait are sent again in these seconds, and links are followed again.
    for _ in range(5):
        for question in driver.requests(link):
            driver.result(link, question, data=question)
        for question in sorted(driver.fetching):
            driver.fetched(question, question)
        driver.advance(1.0)

    assert all(isinstance(driver.outcomes[question], Result) for question in left)


@settings(max_examples=200, deadline=None)
@given(stories)
def test_a_session_that_ends_leaves_nothing_open(story: list) -> None:
    teller = Story(seed=2)
    for step in story:
        teller.play(step)
    teller.driver.end(UnauthorizedError("Go."))

    assert set(teller.driver.outcomes) | teller.driver.forgotten == set(teller.driver.asked)
    assert teller.driver.links == []
    assert teller.driver.session.next_at() is None
