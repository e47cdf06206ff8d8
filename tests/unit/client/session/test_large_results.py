"""Results that are encoded, in pieces, or behind a link."""

from __future__ import annotations

import base64
import gzip

import orjson
import pytest

from pushaside.errors import (
    CannotConnectError,
    NotFoundError,
    RequestTimeoutError,
    TooLargeError,
    UnreadableResultError,
)
from pushaside.protocol.messages import Result
from pushaside.session.effects import FetchFailure, Remedy
from pushaside.settings import Settings
from tests.unit.client.driver import Driver

GONE = FetchFailure(CannotConnectError("The link has expired.", status=403), Remedy.ASK_AGAIN)
BUSY = FetchFailure(CannotConnectError("The bucket is busy.", status=503), Remedy.FETCH_AGAIN)


def whole(question: str, data: object, **fields: object) -> str:
    answer = {"type": "result", "id": question, "key": "k", "etag": "e", "cache": "hit", "age_ms": 0, "data": data}
    return orjson.dumps({**answer, **fields}).decode()


def pieces_of(question: str, text: str, count: int = 3, of: str = "a1") -> list[dict]:
    size = -(-len(text) // count)
    return [
        {
            "type": "chunk",
            "id": question,
            "index": index,
            "count": count,
            "of": of,
            "data": text[index * size : (index + 1) * size],
        }
        for index in range(count)
    ]


def linked(driver: Driver, link: int, question: str, url: str = "https://bucket.example/x") -> None:
    driver.receive(link, type="result", id=question, key="k", etag="e", cache="hit", age_ms=5, url=url)


# Encoded


def test_gzip_is_announced_in_the_hello_and_in_each_request() -> None:
    driver = Driver()
    link = driver.open()
    driver.ask()

    assert driver.hello(link)["accept"] == ["gzip"]
    assert driver.sent[-1][1]["accept"] == ["gzip"]


def test_gzip_can_be_switched_off() -> None:
    driver = Driver(Settings(accept_gzip=False))
    link = driver.open()
    driver.ask()

    assert driver.hello(link)["accept"] == []
    assert "accept" not in driver.sent[-1][1]


def test_an_encoded_result_is_the_same_result() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    data = base64.b64encode(gzip.compress(b'["x"]')).decode()
    driver.result(link, question, data=data, encoding="gzip+base64")

    assert driver.outcomes[question].data == ["x"]


def test_an_encoded_result_over_the_bound_is_too_large() -> None:
    driver = Driver(Settings(max_result_bytes=1000))
    link = driver.open()
    question = driver.ask()
    data = base64.b64encode(gzip.compress(b"[" + b" " * 2000 + b"]")).decode()
    driver.result(link, question, data=data, encoding="gzip+base64")

    assert isinstance(driver.outcomes[question], TooLargeError)


# In pieces


def test_a_result_in_pieces_is_one_result() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    for piece in reversed(pieces_of(question, whole(question, "é" * 100))):
        assert question not in driver.outcomes
        driver.receive(link, **piece)

    assert driver.outcomes[question].data == "é" * 100


def test_an_encoded_result_may_come_in_pieces() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    data = base64.b64encode(gzip.compress(b'["x"]')).decode()
    for piece in pieces_of(question, whole(question, data, encoding="gzip+base64")):
        driver.receive(link, **piece)

    assert driver.outcomes[question].data == ["x"]


def test_pieces_of_two_renderings_are_not_mixed() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    old, new = pieces_of(question, whole(question, "old" * 9)), pieces_of(question, whole(question, "new" * 9), of="b2")
    for piece in (old[0], new[1], old[2], new[0]):
        driver.receive(link, **piece)
    assert driver.outcomes == {}
    driver.receive(link, **new[2])

    assert driver.outcomes[question].data == "new" * 9


def test_a_request_whose_pieces_are_coming_is_not_asked_again() -> None:
    driver = Driver(Settings(reask_seconds=10.0))
    link = driver.open()
    question = driver.ask()
    for piece in pieces_of(question, whole(question, "slow")):
        driver.advance(8.0)
        driver.receive(link, **piece)

    assert driver.requests(link) == [question]
    assert driver.outcomes[question].data == "slow"


def test_a_request_whose_pieces_stop_coming_is_asked_again() -> None:
    driver = Driver(Settings(reask_seconds=10.0))
    link = driver.open()
    question = driver.ask()
    driver.receive(link, **pieces_of(question, whole(question, "x"))[0])
    driver.advance(10.0)

    assert driver.requests(link) == [question, question]


def test_pieces_are_let_go_with_their_request() -> None:
    driver = Driver()
    link = driver.open()
    ending = [driver.ask(), driver.ask(deadline=1.0), driver.ask()]
    for question in ending:
        driver.receive(link, **pieces_of(question, whole(question, "x"))[0])
    held = driver.session._exchanges.pieces
    assert held.size_bytes > 0
    driver.forget(ending[0])
    driver.advance(1.0)
    driver.error(link, ending[2], "not_found")

    assert held.size_bytes == 0


def test_pieces_are_let_go_with_their_connection() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    first, second, third = pieces_of(question, whole(question, "x"))
    driver.receive(link, **first)
    driver.lose(link)
    driver.receive(link, **second)
    assert driver.session._exchanges.pieces.size_bytes == 0
    driver.advance(0.0)
    other = driver.open()
    driver.receive(other, **third)

    assert driver.requests(other) == [question]
    assert question not in driver.outcomes


def test_pieces_for_nobody_are_not_kept() -> None:
    driver = Driver()
    link = driver.open()
    driver.receive(link, **pieces_of("whoever", "text")[0])

    assert driver.session._exchanges.pieces.size_bytes == 0


@pytest.mark.parametrize(
    "text", ["no json", '{"type":"accepted","id":"q2"}', '{"type":"result","id":"other","data":1}']
)
def test_pieces_that_make_no_answer_to_their_request_are_unreadable(text: str) -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    for piece in pieces_of(question, text):
        driver.receive(link, **piece)

    assert isinstance(driver.outcomes[question], UnreadableResultError)


def test_pieces_of_pieces_are_unreadable() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    inner = orjson.dumps(pieces_of(question, whole(question, "x"))[0]).decode()
    for piece in pieces_of(question, inner):
        driver.receive(link, **piece)

    assert isinstance(driver.outcomes[question], UnreadableResultError)


def test_an_error_may_come_in_pieces() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    error = orjson.dumps({"type": "error", "id": question, "error": {"code": "not_found", "message": "No."}})
    for piece in pieces_of(question, error.decode()):
        driver.receive(link, **piece)

    assert isinstance(driver.outcomes[question], NotFoundError)


@pytest.mark.parametrize(
    "fields",
    [{"index": 3}, {"index": -1}, {"index": "0"}, {"index": True}, {"count": 10**9}, {"count": 0}, {"data": 1}],
)
def test_a_piece_that_is_none_is_a_typed_error(fields: dict) -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.receive(link, **{**pieces_of(question, "text")[0], **fields})

    assert isinstance(driver.outcomes[question], UnreadableResultError)


# Behind a link


def test_a_link_is_followed_and_its_data_ends_the_request() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    linked(driver, link, question, "https://bucket.example/x?signed")
    assert [(each.id, each.linked.url) for each in driver.fetches] == [(question, "https://bucket.example/x?signed")]
    driver.fetched(question, ["large"])

    assert driver.outcomes[question] == Result(question, "k", "e", "hit", 0.005, ["large"])


def test_nothing_is_asked_while_a_link_is_followed() -> None:
    driver = Driver()
    link = driver.open()
    driver.receive(link, type="welcome", id=driver.hello(link)["id"])
    question = driver.ask(deadline=100.0)
    linked(driver, link, question)
    driver.advance(50.0)
    driver.fault(link)
    driver.lose(link)
    driver.advance(1.0)
    other = driver.open()

    assert driver.requests(link) == [question]
    assert driver.requests(other) == []
    driver.fetched(question, 1)
    assert driver.outcomes[question].data == 1


def test_a_second_link_to_the_same_result_is_ignored() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    linked(driver, link, question)
    linked(driver, link, question)
    driver.error(link, question, "internal")

    assert len(driver.fetches) == 1
    assert driver.outcomes == {}


def test_a_link_that_could_not_be_followed_is_tried_again() -> None:
    driver = Driver(Settings(fetch_attempts=3, backoff_base_seconds=1.0), random=lambda: 0.5)
    link = driver.open()
    question = driver.ask()
    linked(driver, link, question)
    driver.fetch_failed(question, BUSY)
    assert len(driver.fetches) == 1
    driver.advance(0.5)
    assert len(driver.fetches) == 2
    driver.fetched(question, 1)

    assert driver.outcomes[question].data == 1
    assert driver.requests(link) == [question]


def test_a_link_is_tried_a_bounded_number_of_times() -> None:
    driver = Driver(Settings(fetch_attempts=2))
    link = driver.open()
    question = driver.ask()
    linked(driver, link, question)
    for _ in range(2):
        assert question not in driver.outcomes
        driver.fetch_failed(question, BUSY)
        driver.advance(0.0)

    assert driver.outcomes[question] is BUSY.error


def test_an_expired_link_has_the_request_asked_again() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    linked(driver, link, question, "https://bucket.example/old")
    driver.fetch_failed(question, GONE)
    driver.advance(0.0)
    assert driver.requests(link) == [question, question]
    linked(driver, link, question, "https://bucket.example/new")
    assert driver.fetches[-1].linked.url == "https://bucket.example/new"
    driver.fetched(question, 1)

    assert driver.outcomes[question].data == 1


def test_links_that_keep_expiring_end_in_an_error() -> None:
    driver = Driver(Settings(max_retries=2))
    link = driver.open()
    question = driver.ask()
    for _ in range(3):
        assert question not in driver.outcomes
        linked(driver, link, question)
        driver.fetch_failed(question, GONE)
        driver.advance(0.0)

    assert driver.outcomes[question] is GONE.error


def test_data_that_nothing_can_be_done_about_ends_the_request() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    linked(driver, link, question)
    driver.fetch_failed(question, FetchFailure(TooLargeError("Too much."), Remedy.NOTHING))

    assert isinstance(driver.outcomes[question], TooLargeError)


def test_a_link_that_is_followed_for_too_long_ends_at_the_deadline() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask(deadline=3.0)
    linked(driver, link, question)
    driver.advance(3.0)
    driver.fetched(question, 1)

    assert isinstance(driver.outcomes[question], RequestTimeoutError)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/x", "", 7, None])
def test_a_link_that_is_none_is_unreadable(url: object) -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.receive(link, type="result", id=question, url=url)

    assert isinstance(driver.outcomes[question], UnreadableResultError)
    assert driver.fetches == []
