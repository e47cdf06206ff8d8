"""Idle connections and long ones are cut; both limits are shortened here."""

from __future__ import annotations

import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.conformance.recorded_events import wait_for
from tests.conformance.sockets import closed_by_server, connection_id, message_event, open_socket
from tests.conformance.targets import Limits, Target

IDLE_SECONDS = 2.0
CONNECTION_SECONDS = 6.0
LIMITS = Limits(IDLE_SECONDS, CONNECTION_SECONDS)
TOLERANCE_SECONDS = 1.5

pytestmark = pytest.mark.slow


def test_an_idle_connection_is_closed_with_1001(target: Target) -> None:
    """Source: "Quotas for configuring and running a WebSocket API"; code and reason: a DISCONNECT event seen on AWS."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        idle_from = time.monotonic()
        assert closed_by_server(socket).code == 1001
        idle_seconds = time.monotonic() - idle_from
    assert IDLE_SECONDS - 0.2 < idle_seconds < IDLE_SECONDS + TOLERANCE_SECONDS
    context = wait_for(target, identity, "DISCONNECT")["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")


def test_messages_keep_a_connection_open_until_its_longest_duration(target: Target) -> None:
    """Source: "Quotas for configuring and running a WebSocket API"; that the code is 1001 too is inferred."""
    opened = time.monotonic()
    with open_socket(target) as socket:
        closed = closed_although_active(socket)
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1001
    lasted_seconds = time.monotonic() - opened
    assert CONNECTION_SECONDS - 0.2 < lasted_seconds < CONNECTION_SECONDS + TOLERANCE_SECONDS


def closed_although_active(socket: ClientConnection) -> ConnectionClosed:
    """Send a message every half second until the server ends that."""
    while True:
        try:
            message_event(socket)
            with pytest.raises(TimeoutError):
                socket.recv(0.5)
        except ConnectionClosed as closed:
            return closed


def test_what_is_sent_to_a_client_keeps_its_connection_open(target: Target) -> None:
    """Source: serverless-patterns' and subscriptionless's users: sends reset the idle timer in either direction."""
    management = target.management()
    with open_socket(target) as socket:
        identity = connection_id(socket)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                socket.recv(IDLE_SECONDS / 2)
            management.post_to_connection(ConnectionId=identity, Data=b"kept")
            assert socket.recv(1) == "kept"
