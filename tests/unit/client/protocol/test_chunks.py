"""Answers in pieces are put together whole or not at all, in bounded memory."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushaside.errors import TooLargeError
from pushaside.protocol.chunks import Pieces
from pushaside.protocol.messages import Piece

LINK = 1


def split(text: str, count: int, request: str = "r1", of: str = "a") -> list[Piece]:
    size = -(-len(text) // count)
    return [Piece(request, of, n, count, text[n * size : (n + 1) * size]) for n in range(count)]


def test_one_piece_may_be_all_there_is() -> None:
    assert Pieces(1000, 10).take(LINK, Piece("r1", "a", 0, 1, "whole")) == b"whole"


@given(st.text(min_size=1, max_size=60), st.integers(1, 12), st.randoms(), st.integers(0, 5))
def test_pieces_make_the_text_in_any_order_and_however_often_they_come(
    text: str, count: int, random: object, repeats: int
) -> None:
    pieces = Pieces(100_000, 10)
    coming = split(text, count)
    coming += coming[:repeats]
    random.shuffle(coming)
    whole = [each for piece in coming if (each := pieces.take(LINK, piece)) is not None]

    assert whole[0] == text.encode()


@given(st.randoms())
def test_two_splittings_of_one_answer_are_never_mixed(random: object) -> None:
    pieces = Pieces(100_000, 10)
    coming = [*split("a" * 20, 4, of="a"), *split("b" * 20, 4, of="b"), *split("c" * 20, 5, of="a")]
    random.shuffle(coming)
    whole = {each for piece in coming if (each := pieces.take(LINK, piece)) is not None}

    assert whole == {b"a" * 20, b"b" * 20, b"c" * 20}
    assert pieces.size_bytes == 0


def test_requests_and_connections_are_kept_apart() -> None:
    pieces = Pieces(100_000, 10)
    first, second = split("ab", 2)
    assert pieces.take(1, first) is None
    assert pieces.take(2, second) is None
    assert pieces.take(1, Piece("r2", "a", 1, 2, "x")) is None
    assert pieces.take(1, second) == b"ab"


def test_an_answer_that_alone_is_too_large_is_refused() -> None:
    pieces = Pieces(1000, 10)
    pieces.take(LINK, Piece("r1", "a", 0, 3, "x" * 500))

    with pytest.raises(TooLargeError):
        pieces.take(LINK, Piece("r1", "a", 1, 3, "x" * 500))
    assert pieces.size_bytes == 0


def test_beyond_its_bytes_the_answer_that_is_silent_longest_is_let_go() -> None:
    pieces = Pieces(1000, 10)
    pieces.take(LINK, Piece("old", "a", 0, 2, "x" * 300))
    pieces.take(LINK, Piece("new", "a", 0, 2, "x" * 300))
    pieces.take(LINK, Piece("newest", "a", 0, 2, "x" * 300))

    assert pieces.size_bytes <= 1000
    assert pieces.take(LINK, Piece("newest", "a", 1, 2, "y")) == b"x" * 300 + b"y"
    assert pieces.take(LINK, Piece("old", "a", 1, 2, "y")) is None


def test_beyond_its_number_the_answer_that_is_silent_longest_is_let_go() -> None:
    pieces = Pieces(100_000, 2)
    for request in ("old", "new", "newest"):
        pieces.take(LINK, Piece(request, "a", 0, 2, "x"))

    assert pieces.take(LINK, Piece("new", "a", 1, 2, "y")) == b"xy"
    assert pieces.take(LINK, Piece("old", "a", 1, 2, "y")) is None


def test_empty_pieces_are_not_free() -> None:
    pieces = Pieces(1000, 10)
    empty = (Piece("r1", "a", index, 8192, "") for index in range(100))

    with pytest.raises(TooLargeError):
        deque((pieces.take(LINK, piece) for piece in empty), maxlen=0)


def test_nothing_is_left_of_what_is_dropped() -> None:
    pieces = Pieces(100_000, 10)
    pieces.take(1, Piece("r1", "a", 0, 2, "x"))
    pieces.take(2, Piece("r1", "b", 0, 2, "x"))
    pieces.take(2, Piece("r2", "a", 0, 2, "x"))
    pieces.drop_request("r1")
    pieces.drop_request("unknown")
    assert pieces.take(1, Piece("r1", "a", 1, 2, "y")) is None
    pieces.drop_link(1)
    pieces.drop_link(2)

    assert pieces.size_bytes == 0
    assert pieces._by_request == {}
