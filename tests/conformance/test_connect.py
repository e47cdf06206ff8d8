"""`$connect`: who gets a socket, and what those who do not get one are told."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.conformance.recorded_events import new_subject, recorded, wait_for
from tests.conformance.sockets import assert_open, open_socket, refusal
from tests.conformance.targets import Target


@pytest.mark.parametrize("status", [200, 201])
def test_a_2xx_answer_opens_the_socket(target: Target, status: int) -> None:
    """Source: statuses of `$connect` observed on AWS."""
    with open_socket(target, {"auth": "allow", "connect": str(status)}) as socket:
        assert_open(socket)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 501])
def test_any_other_status_is_the_handshakes(target: Target, status: int) -> None:
    """Source: statuses of `$connect` observed on AWS; "Create a $connect route that requires a subprotocol" (400)."""
    assert refusal(target, {"auth": "allow", "connect": str(status)}).status_code == status


def test_a_function_that_throws_is_a_bad_gateway(target: Target) -> None:
    """Source: statuses of `$connect` observed on AWS."""
    assert refusal(target, {"auth": "allow", "connect": "throw"}).status_code == 502


def test_a_refused_connection_never_disconnects(target: Target) -> None:
    """Source: "Manage connected users and client apps: $connect and $disconnect routes"."""
    refused, opened = new_subject(), new_subject()
    refusal(target, {"auth": "allow", "connect": "400", "probe": refused})
    identity = wait_for(target, refused, "CONNECT")["requestContext"]["connectionId"]
    with open_socket(target, {"auth": "allow", "probe": opened}):
        later = wait_for(target, opened, "CONNECT")["requestContext"]["connectionId"]
    wait_for(target, later, "DISCONNECT")
    assert recorded(target, identity, "DISCONNECT") == []


def test_the_socket_opens_only_when_the_function_has_answered(target: Target) -> None:
    """Source: "Manage connected users and client apps"; the 410 meanwhile: AWS Knowledge Center, "410 Gone error"."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "connect": "post", "probe": subject}) as socket:
        assert wait_for(target, subject, "POST") == 410
        assert_open(socket)


def test_the_function_selects_one_of_the_offered_subprotocols(target: Target) -> None:
    """Source: "Create a $connect route that requires a WebSocket subprotocol"."""
    query = {"auth": "allow", "subprotocol": "chat.v2"}
    with open_socket(target, query, subprotocols=["chat.v1", "chat.v2"]) as socket:
        assert socket.subprotocol == "chat.v2"


def test_offered_subprotocols_reach_the_function(target: Target) -> None:
    """Source: "Create a $connect route that requires a WebSocket subprotocol" (its function splits them by commas)."""
    subject = new_subject()
    query = {"auth": "allow", "subprotocol": "a", "probe": subject}
    with open_socket(target, query, subprotocols=["a", "b"]):
        headers = wait_for(target, subject, "CONNECT")["headers"]
    assert [part.strip() for part in headers["Sec-WebSocket-Protocol"].split(",")] == ["a", "b"]


def test_another_stage_is_forbidden(target: Target) -> None:
    """Source: "Forbidden" for a stage that is not deployed, as observed on AWS."""
    elsewhere = dataclasses.replace(target, websocket_url=f"{target.websocket_url.rpartition('/')[0]}/absent")
    assert refusal(elsewhere, {"auth": "allow"}).status_code == 403


def test_a_refusal_has_a_json_body(target: Target) -> None:
    """Source: `{"message":"Forbidden","connectionId":...,"requestId":...}` observed on AWS."""
    response = refusal(target, {"auth": "deny"})
    assert "message" in json.loads(response.body or b"")
