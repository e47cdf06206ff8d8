"""Chunks: whatever the text, its pieces fit frames and are the text again."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from push.protocol.chunks import split_message
from push.protocol.frames import MAX_FRAME_BYTES

CHARACTERS = st.characters(exclude_categories=["Cs"])
AWKWARD = ["x", '"', "\\", "\\u0000", "\x00", "\x1f", "\n", "\u00fc", "\u2028", "\uffff", "\U0001f600", "a\\"]


def join(chunks: list[str]) -> str:
    """Put chunks together, as a client does."""
    pieces = [json.loads(chunk) for chunk in chunks]
    assert [(piece["type"], piece["index"], piece["count"]) for piece in pieces] == [
        ("chunk", index, len(chunks)) for index in range(len(chunks))
    ]
    assert len({(piece["id"], piece["of"]) for piece in pieces}) == 1
    return "".join(piece["data"] for piece in pieces)


@given(st.text(CHARACTERS, min_size=1, max_size=128), st.text(CHARACTERS), st.integers(0, 5_000))
@example("\x00" * 128, "\x00", 50_000)
@example("1", "", 0)
def test_the_pieces_of_any_text_are_the_text(request_id: str, text: str, times: int) -> None:
    message = text * times
    chunks = split_message(request_id, message)
    assert join(chunks) == message
    assert all(len(chunk.encode()) <= MAX_FRAME_BYTES for chunk in chunks)
    assert json.loads(chunks[0])["id"] == request_id


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("of", [AWKWARD, ["\\"], ["\\", '"'], ["\x00", "x"], ["\U0001f600", "x"]], ids=len)
def test_no_cut_falls_into_a_character_or_an_escape(of: list[str], seed: int) -> None:
    message = "x" * seed + "".join(random.Random(seed).choices(of, k=60_000))
    chunks = split_message("1", message)
    assert join(chunks) == message
    assert all(len(chunk.encode()) <= MAX_FRAME_BYTES for chunk in chunks)


def test_a_piece_has_as_much_as_fits() -> None:
    *full, _ = split_message("1", "x" * 300_000)
    assert all(len(chunk) >= MAX_FRAME_BYTES - 16 for chunk in full)
    assert len(full) == 9


def test_pieces_of_two_texts_are_told_apart() -> None:
    of = [json.loads(split_message("1", text)[0])["of"] for text in ("a", "b", "a")]
    assert of[0] == of[2] != of[1]
