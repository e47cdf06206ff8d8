"""Frames: what is a message, what closes the connection, and how much of either is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from local.gateway.api import Limits
from local.gateway.websocket_connection import WebSocketConnection

LIMITS = Limits(frame_bytes=32, message_bytes=128)
PAYLOADS = st.binary(max_size=40)


class FakeTransport:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self._written = bytearray()
        self.pending = lambda: None
        self.eof = self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.eof
        self._written += data

    @property
    def written(self) -> bytes:
        self.pending()
        return bytes(self._written)

    def get_write_buffer_size(self) -> int:
        return 0

    def write_eof(self) -> None:
        self.eof = True

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class AtOnce:
    """Flushes when the message is complete, which is when somebody looks at what was written."""

    def add(self, writer: WebSocketConnection) -> None:
        writer.transport.pending = writer.flush  # type: ignore[attr-defined]


class Told:
    """Keeps what the connection tells."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.ends: list[tuple[int, str]] = []
        self.lost = 0

    def message_received(self, connection: WebSocketConnection, text: str) -> None:
        self.messages.append(text)

    def connection_ended(self, connection: WebSocketConnection, code: int, reason: str) -> None:
        self.ends.append((code, reason))

    def connection_lost(self, connection: WebSocketConnection) -> None:
        self.lost += 1


def opened(limits: Limits = LIMITS, now: Any = lambda: 0.0) -> tuple[WebSocketConnection, FakeTransport, Told]:
    transport, told = FakeTransport(), Told()
    connection = WebSocketConnection("id", b"", transport, told, limits, outgoing=AtOnce(), now=now)  # type: ignore[arg-type]
    return connection, transport, told


def sent(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def client_frames(data: bytes) -> list[Frame]:
    """What a client reads from what the server wrote."""
    client = ClientProtocol(parse_uri("ws://x/"), state=OPEN, max_size=None)
    client.receive_data(data)
    frames = client.events_received()
    assert client.parser_exc is None
    return frames  # type: ignore[return-value]


@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=20), data=st.data())
def test_messages_are_the_same_however_the_network_cuts_them(texts: list[str], data: st.DataObject):
    connection, _, told = opened()
    stream = b"".join(sent(Opcode.TEXT, text.encode()) for text in texts)
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        connection.data_received(stream[:size])
        stream = stream[size:]
    assert told.messages == texts
    assert not told.ends


@given(st.lists(st.binary(max_size=34), min_size=1, max_size=8))
def test_a_fragmented_message_obeys_both_limits(pieces: list[bytes]):
    connection, transport, told = opened()
    for index, piece in enumerate(pieces):
        fin = index == len(pieces) - 1
        connection.data_received(sent(Opcode.CONT if index else Opcode.TEXT, piece, fin=fin))
    whole = b"".join(pieces)
    if any(len(piece) > 32 for piece in pieces) or len(whole) > 128:
        assert [code for code, _ in told.ends] == [CloseCode.MESSAGE_TOO_BIG]
        assert transport.eof
    elif whole.decode("utf-8", "replace").encode() != whole:
        assert [code for code, _ in told.ends] == [CloseCode.INVALID_DATA]
    else:
        assert told.messages == [whole.decode()]


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_is_sent_arrives_in_frames_of_the_size_allowed(text: str):
    connection, transport, _ = opened()
    assert connection.send(text.encode())
    frames = client_frames(transport.written)
    assert all(len(frame.data) <= 32 for frame in frames)
    assert [frame.fin for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert b"".join(bytes(frame.data) for frame in frames).decode() == text


@given(st.binary(max_size=300))
def test_no_bytes_make_the_connection_fail_or_end_twice(data: bytes):
    connection, _, told = opened()
    connection.data_received(data)
    connection.eof_received()
    connection.connection_lost(None)
    assert len(told.ends) == 1
    assert told.lost == 1


def test_a_message_in_the_same_read_as_the_close_is_answered_before_it():
    connection, transport, told = opened()
    told.message_received = lambda connection, text: told.messages.append(str(connection.send(b"answer")))  # type: ignore[method-assign]
    connection.data_received(sent(Opcode.TEXT, b"x") + sent(Opcode.CLOSE, b"\x03\xe8"))
    assert told.messages == ["True"]
    assert told.ends == [(1000, "Connection Closed Normally")]
    assert [frame.opcode for frame in client_frames(transport.written)] == [Opcode.TEXT, Opcode.CLOSE]


def test_nothing_is_sent_after_the_end():
    connection, transport, told = opened()
    connection.close(CloseCode.GOING_AWAY, "Going away")
    written = transport.written
    assert not connection.send(b"x")
    connection.close(CloseCode.NORMAL_CLOSURE, "again")
    assert transport.written == written
    assert told.ends == [(1001, "Going away")]
    assert not transport.eof  # the client answers the close first
    connection.data_received(sent(Opcode.CLOSE, b"\x03\xe9"))
    assert transport.eof
    assert told.ends == [(1001, "Going away")]


def test_messages_after_a_close_from_this_side_are_not_heard():
    connection, _, told = opened()
    connection.close(CloseCode.NORMAL_CLOSURE, "")
    connection.data_received(sent(Opcode.TEXT, b"x"))
    assert not told.messages


@pytest.mark.parametrize(
    ("opcode", "payload", "is_activity"),
    [(Opcode.TEXT, b"x", True), (Opcode.PING, b"", False), (Opcode.PONG, b"", False)],
)
def test_only_data_is_activity(opcode: Opcode, payload: bytes, is_activity: bool):
    times = [0.0]
    connection, _, _ = opened(now=lambda: times[0])
    times[0] = 5.0
    connection.data_received(sent(opcode, payload))
    assert (connection.last_active == 5.0) is is_activity


def test_a_ping_is_answered():
    connection, transport, _ = opened()
    connection.data_received(sent(Opcode.PING, b"data"))
    assert client_frames(transport.written) == [Frame(Opcode.PONG, b"data")]


def test_what_is_sent_in_one_turn_is_written_at_once():
    connection, transport, _ = opened()
    writes: list[bytes] = []
    transport.write = writes.append  # type: ignore[method-assign]
    for message in (b"one", b"two", b"three"):
        connection.send(message)
    assert connection.waiting_bytes == 11
    assert not writes
    connection.flush()
    assert [bytes(frame.data) for frame in client_frames(b"".join(writes))] == [b"one", b"two", b"three"]
    assert len(writes) == 1
    assert connection.waiting_bytes == 0
