import json
from typing import Any

import pytest

from pushaside.protocol.data_forms import make_etag
from pushaside_tools.load.ledger import Expectations, Ledger

LINK = 3


def ledger(**expectations: int) -> Ledger:
    return Ledger("a", Expectations(**expectations), patience=10.0)


def result(request_id: str, data: str = '{"seed":7}', **fields: Any) -> bytes:
    head = {"type": "result", "id": request_id, "key": "synthetic@1:ab", "etag": make_etag(data.encode())}
    text = json.dumps({**head, "cache": "hit", "age_ms": 1, **fields})
    return f'{text[:-1]},"data":{data}}}'.encode()


def error(request_id: str | None, code: str) -> bytes:
    return json.dumps({"type": "error", "id": request_id, "error": {"code": code, "message": "No."}}).encode()


def chunks(request_id: str, message: bytes) -> list[bytes]:
    pieces = [message[:40].decode(), message[40:].decode()]
    numbered = enumerate(pieces)
    return [
        json.dumps({"type": "chunk", "id": request_id, "index": at, "count": 2, "of": "x", "data": piece}).encode()
        for at, piece in numbered
    ]


def test_latency_counts_from_when_a_request_was_due() -> None:
    books = ledger()
    request_id = books.open(7, 1.0, 3.0, LINK)

    ended = books.take(result(request_id), 3.5, LINK)

    assert ended is not None
    assert (books.tally.latency.most, books.tally.since_sent.most) == (2.5, 0.5)
    assert books.tally.sources == {"hit": 1}
    assert not books.tally.has_flaw


def test_a_second_answer_is_doubled() -> None:
    books = ledger()
    request_id = books.open(7, 0.0, 0.0, LINK)

    outcomes = [books.take(result(request_id), 1.0, LINK) for _ in range(2)]

    assert outcomes[1] is None
    assert (books.tally.results, books.tally.doubled) == (1, 1)


def test_a_second_answer_in_chunks_is_doubled_once() -> None:
    books = ledger()
    request_id = books.open(7, 0.0, 0.0, LINK)

    for piece in chunks(request_id, result(request_id)) * 2:
        books.take(piece, 1.0, LINK)

    assert (books.tally.results, books.tally.doubled, books.tally.wrong.total()) == (1, 1, 0)


def test_what_stays_unanswered_is_lost_and_what_then_comes_is_late() -> None:
    books = ledger()
    request_id = books.open(7, 0.0, 1.0, LINK)
    books.open(7, 0.0, 5.0, LINK)

    lost = list(books.expire(11.0))
    books.take(result(request_id), 12.0, LINK)

    assert [pending.sent for pending in lost] == [1.0]
    assert (books.tally.lost, books.tally.late, books.tally.doubled, books.unanswered) == (1, 1, 0, 1)


def test_what_was_asked_on_a_lost_connection_is_lost() -> None:
    books = ledger()
    books.open(7, 0.0, 0.0, LINK)
    books.open(7, 0.0, 0.0, LINK + 1)

    books.drop_link(LINK)

    assert (books.tally.lost, books.unanswered) == (1, 1)


def test_errors_are_counted_by_code_and_are_not_wrong() -> None:
    books = ledger()

    ended = books.take(error(books.open(7, 0.0, 0.0, LINK), "rate_limited"), 1.0, LINK)

    assert ended is not None
    assert books.tally.errors == {"rate_limited": 1}
    assert (books.tally.wrong.total(), books.unanswered) == (0, 0)


@pytest.mark.parametrize("request_id", ["a-5", "a-x", "b-0", "", None, "a--1"])
def test_an_answer_to_nothing_is_wrong(request_id: str | None) -> None:
    books = ledger()
    books.open(7, 0.0, 0.0, LINK)

    books.take(error(request_id, "internal"), 1.0, LINK)

    assert books.tally.wrong == {"an answer to nothing that was asked": 1}


@pytest.mark.parametrize(
    ("fields", "flaw"),
    [
        ({"etag": "0" * 24}, "an etag that is not the data's"),
        ({"etag": ""}, "no etag"),
        ({"encoding": "gzip+base64"}, "an encoding that was not asked for"),
        ({"data": '{"seed":8}'}, "data of another key"),
        ({"data": "[7]"}, "data of another key"),
    ],
)
def test_what_is_wrong_with_a_result_is_told(fields: dict[str, Any], flaw: str) -> None:
    books = ledger(has_seed=True)

    books.take(result(books.open(7, 0.0, 0.0, LINK), **fields), 1.0, LINK)

    assert books.tally.wrong == {flaw: 1}
    assert books.tally.has_flaw


def test_other_content_for_the_same_key_is_wrong() -> None:
    books = ledger()
    for key, data in ((7, "[1]"), (8, "[2]"), (7, "[1]"), (7, "[3]")):
        books.take(result(books.open(key, 0.0, 0.0, LINK), data), 1.0, LINK)

    assert books.tally.wrong == {"other content than before": 1}


def test_content_may_change_where_that_was_said() -> None:
    books = ledger(steady_keys=0)
    for data in ("[1]", "[2]"):
        books.take(result(books.open(7, 0.0, 0.0, LINK), data), 1.0, LINK)

    assert not books.tally.has_flaw


def test_data_are_hashed_as_they_came_wherever_they_stand() -> None:
    books = ledger()
    request_id = books.open(7, 0.0, 0.0, LINK)
    etag = make_etag(b'{"a": 1.0}')
    message = f'{{"type":"result","data":{{"a": 1.0}},"etag":"{etag}","id":"{request_id}","key":"k","cache":"hit"}}'

    books.take(message.encode(), 1.0, LINK)

    assert not books.tally.has_flaw


def test_an_etag_of_another_kind_tells_nothing() -> None:
    books = ledger()

    books.take(result(books.open(7, 0.0, 0.0, LINK), etag="v1"), 1.0, LINK)

    assert not books.tally.has_flaw


def test_a_link_stands_for_data_that_are_not_looked_at() -> None:
    books = ledger(has_seed=True)
    request_id = books.open(7, 0.0, 0.0, LINK)
    fields = {"type": "result", "id": request_id, "key": "k", "etag": "0" * 24, "cache": "miss", "url": "https://x/"}

    books.take(json.dumps(fields).encode(), 1.0, LINK)

    assert (books.tally.linked, books.tally.has_flaw) == (1, False)


def test_messages_that_answer_nothing_end_nothing() -> None:
    books = ledger()
    request_id = books.open(7, 0.0, 0.0, LINK)

    for message in (b'{"type":"pong"}', f'{{"type":"accepted","id":"{request_id}"}}'.encode(), b'{"type":"news"}'):
        assert books.take(message, 1.0, LINK) is None

    assert (books.unanswered, books.tally.wrong.total()) == (1, 0)


def test_the_gateways_own_errors_are_counted_and_what_is_no_json_is_wrong() -> None:
    books = ledger()

    books.take(b'{"message": "Internal server error", "connectionId":"L0", "requestId":"Y"}', 1.0, LINK)
    books.take(b"<html>", 1.0, LINK)

    assert (books.tally.faults, dict(books.tally.wrong)) == (1, {"not a JSON object": 1})


def test_what_was_handed_over_is_not_counted_again() -> None:
    books = ledger()
    books.take(result(books.open(7, 0.0, 0.0, LINK)), 1.0, LINK)

    assert (books.hand_over().results, books.hand_over().results) == (1, 0)
