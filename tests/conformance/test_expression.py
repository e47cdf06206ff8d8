"""Routes that are found by several paths, and an API without an authorizer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.conformance.recorded_events import wait_for
from tests.conformance.sockets import message_event, open_socket
from tests.conformance.targets import Target

STACK = "expression"


@pytest.mark.parametrize(
    ("message", "route"),
    [
        pytest.param({"service": "orders", "detail": {"action": "list"}}, "v1/orders/list", id="text and paths"),
        pytest.param({"service": "orders"}, "v1/orders/", id="a path that leads nowhere is empty"),
        pytest.param({"service": "orders", "detail": "list"}, "v1/orders/", id="a path through a string too"),
        pytest.param(
            {"service": ["first", "second"], "detail": {"action": "list"}},
            "v1/[first, second]/list",
            id="an array is written in brackets",
        ),
        pytest.param({"service": "orders", "detail": {"action": "drop"}}, "$default", id="no such route"),
    ],
)
def test_the_expression_is_evaluated_as_text(socket: ClientConnection, message: dict[str, Any], route: str) -> None:
    """Source: "Create routes for WebSocket APIs", table of route selection expressions."""
    assert message_event(socket, json.dumps(message))["requestContext"]["routeKey"] == route


def test_without_a_query_the_connect_event_has_no_members_for_it(target: Target) -> None:
    """Source: powertools-lambda-python, tests/events/apiGatewayWebSocketApiConnect.json."""
    with open_socket(target, {}) as socket:
        identity = message_event(socket, "{}")["requestContext"]["connectionId"]
    event = wait_for(target, identity, "CONNECT")
    assert "queryStringParameters" not in event
    assert "multiValueQueryStringParameters" not in event


def test_without_an_authorizer_events_have_none(socket: ClientConnection) -> None:
    """Source: powertools-lambda-python, tests/events/apiGatewayWebSocketApiMessage.json."""
    assert "authorizer" not in message_event(socket, "{}")["requestContext"]
