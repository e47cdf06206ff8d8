"""The client's side: WebSockets that are opened, refused, asked and listened to."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from tests.conformance.targets import Target

ANSWER_SECONDS = 15.0
QUIET_SECONDS = 0.5

CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{15}=")


def open_socket(
    target: Target, query: dict[str, str] | list[tuple[str, str]] | None = None, **options: Any
) -> ClientConnection:
    """Open a WebSocket; without a query it says what the authorizer lets in."""
    query = {"auth": "allow"} if query is None else query
    url = f"{target.websocket_url}?{urlencode(query)}" if query else target.websocket_url
    # Keepalive pings are off: they are no part of what a client of API Gateway can rely on.
    defaults = {"compression": None, "ping_interval": None, "max_size": None, "open_timeout": 30, "close_timeout": 5}
    return connect(url, **defaults | options)


def refusal(target: Target, query: dict[str, str], **options: Any) -> Response:
    """Return the response to a handshake that has to be refused."""
    with pytest.raises(InvalidStatus) as refused:
        open_socket(target, query, **options).close()
    return refused.value.response


def send(socket: ClientConnection, **message: Any) -> None:
    """Send a message as JSON."""
    socket.send(json.dumps(message))


def receive(socket: ClientConnection) -> str:
    """Return the next message, which has to be text."""
    message = socket.recv(ANSWER_SECONDS)
    assert isinstance(message, str)
    return message


def ask(socket: ClientConnection, **message: Any) -> Any:
    """Send a message and return the answer, as JSON where it is."""
    send(socket, **message)
    answer = receive(socket)
    return json.loads(answer) if answer.startswith("{") else answer


def message_event(socket: ClientConnection, message: str = '{"action":"act"}') -> dict[str, Any]:
    """Return the event that the function got for `message`."""
    socket.send(message)
    event: dict[str, Any] = json.loads(receive(socket))
    return event


def connection_id(socket: ClientConnection) -> str:
    """Return the socket's connection id, which only events tell."""
    identity: str = message_event(socket)["requestContext"]["connectionId"]
    return identity


def assert_quiet(socket: ClientConnection) -> None:
    """Check that nothing more comes."""
    with pytest.raises(TimeoutError):
        socket.recv(QUIET_SECONDS)


def assert_open(socket: ClientConnection) -> None:
    """Check that the socket still takes a message and answers it."""
    assert "requestContext" in message_event(socket)


def closed_by_server(socket: ClientConnection, within_seconds: float = ANSWER_SECONDS) -> Close:
    """Return the close frame that the server sends."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(within_seconds)
    assert closed.value.rcvd is not None
    return closed.value.rcvd


def gateway_frame(message: str, identity: str) -> re.Pattern[str]:
    """Return what a frame of the gateway itself looks like, with its uneven spacing."""
    return re.compile(
        rf'\{{"message": "{re.escape(message)}", "connectionId":"{re.escape(identity)}", "requestId":"[\w=-]+"\}}'
    )
