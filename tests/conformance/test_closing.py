"""The end of a connection, as its two sides and `$disconnect` see it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.recorded_events import recorded, wait_for
from tests.conformance.sockets import closed_by_server, connection_id, message_event, open_socket
from tests.conformance.targets import Target


def close_of(event: dict[str, Any]) -> tuple[int, str]:
    context = event["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


def test_a_clients_code_and_reason_reach_the_function(target: Target) -> None:
    """Source: `disconnectStatusCode` and `disconnectReason` in the sample DISCONNECT event."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        socket.close(4001, "had enough")
    assert close_of(wait_for(target, identity, "DISCONNECT")) == (4001, "had enough")


def test_a_close_without_a_status_is_1005(target: Target) -> None:
    """Source: powertools-lambda-python, tests/events/apiGatewayWebSocketApiDisconnect.json."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        with socket.send_context():
            socket.protocol.send_close()
    expected = (1005, "Client-side close frame status not set")
    assert close_of(wait_for(target, identity, "DISCONNECT")) == expected


def test_the_server_answers_a_close_with_the_same_code(target: Target) -> None:
    """Source: RFC 6455, section 5.5.1."""
    with open_socket(target) as socket:
        socket.close(1000)
        assert socket.close_code == 1000


def test_a_lost_connection_disconnects_too(target: Target) -> None:
    """Source: "Manage connected users and client apps" ($disconnect after any end, at best effort)."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        socket.close_socket()
    wait_for(target, identity, "DISCONNECT")


def test_disconnect_comes_once(target: Target) -> None:
    """Source: "Manage connected users and client apps" ($disconnect is executed after the connection is closed)."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
    wait_for(target, identity, "DISCONNECT")
    with open_socket(target) as later:
        another = connection_id(later)
    wait_for(target, another, "DISCONNECT")
    assert len(recorded(target, identity, "DISCONNECT")) == 1


def test_deleting_a_connection_closes_it_with_1000(target: Target) -> None:
    """Source: boto3 issue 3789's log: DELETE gives 1000 to the client and to `$disconnect`."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        answer = target.management().delete_connection(ConnectionId=identity)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert closed_by_server(socket).code == 1000
    assert close_of(wait_for(target, identity, "DISCONNECT")) == (1000, "Connection Closed Normally")


def test_an_answer_still_under_way_is_not_missed_by_others(target: Target) -> None:
    """Source: each message is an invocation of its own; the end of one connection is no concern of another."""
    with open_socket(target) as leaving, open_socket(target) as staying:
        leaving.send('{"action":"act","do":"sleep","seconds":1}')
        leaving.close()
        assert "requestContext" in message_event(staying)


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_plain_close_has_its_code(target: Target, code: int) -> None:
    """Source: the sample DISCONNECT event."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        socket.close(code)
    assert close_of(wait_for(target, identity, "DISCONNECT"))[0] == code
