"""The short way for text frames: the same messages as by websockets' own protocol, however the bytes arrive."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from local.gateway import text_frames
from local.gateway.text_frames import LARGEST, read_text_frames, write_text_frame

LIMIT = 32 * 1024

messages = st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(lambda size: b"x" * size))
frames = st.one_of(
    messages.map(lambda data: Frame(Opcode.TEXT, data)),
    messages.map(lambda data: Frame(Opcode.BINARY, data)),
    messages.map(lambda data: Frame(Opcode.TEXT, data, fin=False)),
    st.binary(max_size=125).map(lambda data: Frame(Opcode.PING, data)),
)


def masked(*sent: Frame) -> bytes:
    return b"".join(frame.serialize(mask=True) for frame in sent)


@given(st.lists(messages, max_size=5))
def test_reads_what_a_client_sends(sent: list[bytes]) -> None:
    within = [message for message in sent if len(message) <= LIMIT]
    assert read_text_frames(masked(*(Frame(Opcode.TEXT, each) for each in within)), LIMIT) == (within, b"")


@given(st.lists(frames, max_size=5), st.data())
def test_leaves_all_from_the_first_frame_it_does_not_take(sent: list[Frame], data: st.DataObject) -> None:
    stream = masked(*sent)
    stream = stream[: data.draw(st.integers(0, len(stream)))]
    read, left = read_text_frames(stream, LIMIT)
    ours = [(Opcode.TEXT, True, message) for message in read]
    protocol = Protocol(SERVER)
    protocol.receive_data(left)
    by_both = ours + [(frame.opcode, frame.fin, bytes(frame.data)) for frame in protocol.events_received()]
    alone = Protocol(SERVER)
    alone.receive_data(stream)
    assert by_both == [(frame.opcode, frame.fin, bytes(frame.data)) for frame in alone.events_received()]


@pytest.mark.parametrize(
    "stream",
    [
        Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
        masked(Frame(Opcode.TEXT, b"x" * (LIMIT + 1))),
        b"\xc1" + masked(Frame(Opcode.TEXT, b"a reserved bit"))[1:],
    ],
    ids=["not masked", "too large", "a reserved bit"],
)
def test_leaves_what_is_against_the_rules_to_the_protocol(stream: bytes) -> None:
    assert read_text_frames(stream, LIMIT) == ([], stream)


@given(messages.filter(lambda message: len(message) <= LARGEST))
def test_writes_the_frame_that_a_client_reads(message: bytes) -> None:
    assert write_text_frame(message) == Frame(Opcode.TEXT, message).serialize(mask=False)
    client = Protocol(CLIENT)
    client.receive_data(write_text_frame(message))
    (frame,) = client.events_received()
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, message)


def test_its_examples_hold() -> None:
    assert doctest.testmod(text_frames).failed == 0
    assert doctest.testmod(text_frames).attempted == 2
