"""Frames of 32 KB, messages of 128 KB, text only."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.conformance.recorded_events import wait_for
from tests.conformance.sockets import ANSWER_SECONDS, ask, closed_by_server, connection_id, message_event, open_socket
from tests.conformance.targets import Target

FRAME_BYTES = 32 * 1024
MESSAGE_BYTES = 128 * 1024


def message_of(size_bytes: int) -> str:
    """A message for `act` whose answer is short."""
    message = json.dumps({"action": "act", "do": "text", "text": "small", "padding": ""})
    return message.replace('"padding": ""', f'"padding": "{"x" * (size_bytes - len(message))}"')


def in_frames(message: str, frame_bytes: int = FRAME_BYTES) -> list[str]:
    return [message[start : start + frame_bytes] for start in range(0, len(message), frame_bytes)]


def test_a_frame_of_32_kb_is_taken(socket: ClientConnection) -> None:
    """Source: "Quotas for configuring and running a WebSocket API"."""
    socket.send(message_of(FRAME_BYTES))
    assert socket.recv(ANSWER_SECONDS) == "small"


def test_a_larger_frame_closes_the_connection_with_1009(socket: ClientConnection) -> None:
    """Source: "Quotas for configuring and running a WebSocket API"."""
    socket.send(message_of(FRAME_BYTES + 1))
    assert closed_by_server(socket).code == 1009


def test_a_message_of_128_kb_is_taken_in_frames(socket: ClientConnection) -> None:
    """Source: "Quotas for configuring and running a WebSocket API"."""
    socket.send(in_frames(message_of(MESSAGE_BYTES)))
    assert socket.recv(ANSWER_SECONDS) == "small"


def test_a_larger_message_closes_the_connection_with_1009(socket: ClientConnection) -> None:
    """Source: "Quotas for configuring and running a WebSocket API"."""
    with suppress(ConnectionClosed):  # the close may arrive before the last frame is sent
        socket.send(in_frames(message_of(MESSAGE_BYTES + 1)))
    assert closed_by_server(socket).code == 1009


def test_a_fragmented_message_arrives_whole(socket: ClientConnection) -> None:
    """Source: RFC 6455, section 5.4."""
    text = '{"action":"act","text":"héllo"}'
    socket.send(in_frames(text, 7))
    event = json.loads(socket.recv(ANSWER_SECONDS))
    assert event["body"] == text


def test_the_limit_counts_bytes(socket: ClientConnection) -> None:
    """Source: "Quotas for configuring and running a WebSocket API" (KB, so of UTF-8)."""
    socket.send('{"action":"act","padding":"' + "é" * (FRAME_BYTES // 2) + '"}')
    assert closed_by_server(socket).code == 1009


def test_an_answer_of_128_kb_comes_in_frames_of_32_kb(socket: ClientConnection) -> None:
    """Source: "Quotas for configuring and running a WebSocket API" (frames, in both directions)."""
    socket.send(json.dumps({"action": "act", "do": "size", "size": MESSAGE_BYTES}))
    sizes = [len(fragment) for fragment in socket.recv_streaming()]
    assert sum(sizes) == MESSAGE_BYTES
    assert max(sizes) <= FRAME_BYTES


def test_a_binary_frame_closes_the_connection_with_1003(socket: ClientConnection) -> None:
    """Source: "Binary media types for WebSocket APIs"."""
    socket.send(b'{"action":"act"}')
    assert closed_by_server(socket).code == 1003


@pytest.mark.parametrize(
    ("offence", "code"), [(b"binary", 1003), ("x" * (FRAME_BYTES + 1), 1009)], ids=["binary", "too big"]
)
def test_a_connection_closed_for_an_offence_disconnects_with_that_code(
    target: Target, offence: str | bytes, code: int
) -> None:
    """Source: `disconnectStatusCode` is the close code in the sample DISCONNECT events."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        socket.send(offence)
        closed_by_server(socket)
    event = wait_for(target, identity, "DISCONNECT")
    assert event["requestContext"]["disconnectStatusCode"] == code


def test_other_connections_do_not_suffer(target: Target, socket: ClientConnection) -> None:
    """Source: RFC 6455, section 7.1.7: an offence fails the connection that it came on."""
    with open_socket(target) as offender:
        offender.send(b"binary")
        closed_by_server(offender)
    assert ask(socket, action="act", do="text", text="still here") == "still here"
    assert "requestContext" in message_event(socket)
