"""What a client hears after a message: answers, nothing, and frames of the gateway itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.conformance.recorded_events import new_subject, wait_for
from tests.conformance.sockets import (
    ANSWER_SECONDS,
    ask,
    assert_open,
    assert_quiet,
    connection_id,
    gateway_frame,
    message_event,
    receive,
    send,
)
from tests.conformance.targets import Target, Trait


def test_the_functions_body_is_sent_as_it_is(socket: ClientConnection) -> None:
    """Source: "Set up route responses for WebSocket APIs"."""
    send(socket, action="act", do="text", text=" not JSON, é ")
    assert receive(socket) == " not JSON, é "


def test_an_answer_without_a_body_sends_nothing(socket: ClientConnection) -> None:
    """Source: "Set up route responses for WebSocket APIs" (the body is what is sent)."""
    send(socket, action="act", do="nothing")
    assert_open(socket)
    assert_quiet(socket)


@pytest.mark.parametrize(
    "route",
    [
        pytest.param("oneway", id="a route is one-way by default"),
        pytest.param("halfway", id="a selection expression without a RouteResponse is not enough"),
    ],
)
def test_no_answer_without_a_route_response(target: Target, socket: ClientConnection, route: str) -> None:
    """Source: "Set up route responses for WebSocket APIs"."""
    subject = new_subject()
    send(socket, action=route, do="record", subject=subject)
    wait_for(target, subject, "MESSAGE")
    assert_open(socket)
    assert_quiet(socket)


@pytest.mark.parametrize("status", [301, 401, 501])
def test_a_messages_status_code_has_no_effect(socket: ClientConnection, status: int) -> None:
    """Source: message routes that answer 301, 401 and 501, observed on AWS."""
    assert ask(socket, action="act", do="status", status=status) == "whatever the status"
    assert_open(socket)


def test_a_status_code_has_no_effect_on_a_one_way_route(socket: ClientConnection) -> None:
    """Source: message routes that answer 301, 401 and 501, observed on AWS."""
    send(socket, action="oneway", do="status", status=501)
    assert_open(socket)
    assert_quiet(socket)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param({"action": "act", "do": "throw"}, "Internal server error", id="the function threw"),
        pytest.param({"action": "oneway", "do": "throw"}, "Internal server error", id="on a one-way route too"),
        pytest.param(
            {"action": "brief", "do": "sleep", "seconds": 10}, "Internal server error", id="at the function's own limit"
        ),
        pytest.param(
            {"action": "impatient", "do": "sleep", "seconds": 3},
            "Endpoint request timed out",
            id="at the integration's timeout",
        ),
    ],
)
def test_frames_of_the_gateway_itself(socket: ClientConnection, message: dict[str, Any], text: str) -> None:
    """Source: frames with this spacing in public repositories; the timeout's: AWS re:Post."""
    identity = connection_id(socket)
    send(socket, **message)
    assert gateway_frame(text, identity).fullmatch(receive(socket))
    assert_open(socket)


def test_the_frame_for_a_throttled_function(target: Target, socket: ClientConnection) -> None:
    """Source: a public transcript of parallel messages to a function at its concurrency limit."""
    target.need(Trait.FUNCTION_CONCURRENCY)
    identity = connection_id(socket)
    send(socket, action="throttled")
    assert gateway_frame("Internal server error", identity).fullmatch(receive(socket))
    assert_open(socket)


def test_each_frame_names_its_own_request(socket: ClientConnection) -> None:
    """Source: frames with this spacing in public repositories."""
    frames = [ask(socket, action="act", do="throw") for _ in range(2)]
    assert frames[0]["connectionId"] == frames[1]["connectionId"]
    assert frames[0]["requestId"] != frames[1]["requestId"]


def test_messages_of_one_connection_are_concurrent(target: Target, socket: ClientConnection) -> None:
    """Source: the official chat sample's users; each message is an invocation of its own."""
    target.need(Trait.RECORDED_EVENTS)
    subject = new_subject()
    send(socket, action="act", do="meet", subject=subject, me="first", other="second")
    send(socket, action="act", do="meet", subject=subject, me="second", other="first")
    assert {receive(socket), receive(socket)} == {"first met second", "second met first"}


def test_answers_come_as_they_are_ready(socket: ClientConnection) -> None:
    """Source: each message is an invocation of its own, so order is not kept."""
    send(socket, action="act", do="sleep", seconds=2)
    assert "requestContext" in message_event(socket)
    assert receive(socket) == "slept"


def test_a_mock_answers_by_its_template(socket: ClientConnection) -> None:
    """Source: "Set up WebSocket API integrations in API Gateway" (MOCK); "$context variables"."""
    identity = connection_id(socket)
    send(socket, action="mock")
    assert receive(socket) == json.dumps({"mocked": identity}, separators=(",", ":"))


def test_a_mock_without_a_route_response_is_silent(socket: ClientConnection) -> None:
    """Source: "Set up route responses for WebSocket APIs"."""
    send(socket, action="onewaymock")
    assert_open(socket)
    assert_quiet(socket)


def test_a_ping_frame_is_answered(socket: ClientConnection) -> None:
    """Source: RFC 6455, section 5.5.2."""
    assert socket.ping("still there?").wait(ANSWER_SECONDS)
