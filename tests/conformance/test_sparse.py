"""An API with neither `$connect`, `$disconnect` nor `$default`."""

from __future__ import annotations

import pytest
from websockets.sync.client import ClientConnection

from tests.conformance.sockets import assert_open, connection_id, gateway_frame, open_socket, receive
from tests.conformance.targets import Target

STACK = "sparse"


def test_without_a_connect_route_everybody_gets_in(target: Target) -> None:
    """Source: "Manage connected users and client apps" (an integration for $connect is optional)."""
    with open_socket(target, {}) as socket:
        assert_open(socket)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param('{"action":"unknown"}', id="no route of that name"),
        pytest.param('{"do":"this"}', id="no such member"),
        pytest.param("hello", id="not JSON"),
    ],
)
def test_without_a_default_route_other_messages_are_forbidden(socket: ClientConnection, message: str) -> None:
    """Source: frames with this spacing in public repositories; "Create routes for WebSocket APIs" (an error)."""
    identity = connection_id(socket)
    socket.send(message)
    assert gateway_frame("Forbidden", identity).fullmatch(receive(socket))
    assert_open(socket)
