"""Which route a message takes by `$request.body.action`."""

from __future__ import annotations

import pytest
from websockets.sync.client import ClientConnection

from tests.conformance.sockets import message_event


def test_the_selected_value_names_the_route(socket: ClientConnection) -> None:
    """Source: "Create routes for WebSocket APIs"."""
    assert message_event(socket, '{"action":"act"}')["requestContext"]["routeKey"] == "act"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param('{"action":"unknown"}', id="no route of that name"),
        pytest.param('{"act":"action"}', id="no such member"),
        pytest.param('{"action":""}', id="an empty string"),
        pytest.param('{"action":null}', id="null"),
        pytest.param('{"action":["act"]}', id="an array"),
        pytest.param('{"action":{"act":1}}', id="an object"),
        pytest.param('{"body":{"action":"act"}}', id="deeper than the path"),
        pytest.param('["act"]', id="not an object"),
        pytest.param('"act"', id="a string"),
        pytest.param("act", id="not JSON"),
        pytest.param('{"action":"act"', id="cut off"),
        pytest.param("", id="nothing"),
        pytest.param('{"action":"ACT"}', id="another case"),
    ],
)
def test_everything_else_takes_the_default_route(socket: ClientConnection, message: str) -> None:
    """Source: "Create routes for WebSocket APIs"."""
    event = message_event(socket, message)
    assert event["requestContext"]["routeKey"] == "$default"
    assert event.get("body", "") == message
