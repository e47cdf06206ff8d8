"""The handler of client messages: every message has its frame, and every refusal one line in the log."""

from __future__ import annotations

import json

import pytest

from push.adapters.aws.emf_metrics import BufferedMetrics
from request.socket_app import SocketParts, handle
from tests.worlds.functions import World
from tests.worlds.topics import TopicWorld


@pytest.fixture
def world() -> World:
    return World()


def event(body: str | None, authorizer: dict | None = None) -> dict:
    """Return what API Gateway sends for a message."""
    context = {"routeKey": "request", "eventType": "MESSAGE", "connectionId": "ann=", "requestId": "r="}
    if authorizer is not None:
        context["authorizer"] = authorizer
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def answer(world: World, body: object, authorizer: dict | None = None) -> dict:
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    topics = TopicWorld(world)
    parts = SocketParts(world.new_socket_replies(), world.client_encodings, topics, BufferedMetrics(), 6600.0)
    return json.loads(handle(event(text, authorizer), parts))


def test_hello_opens_a_session_and_tells_the_limits(world: World) -> None:
    welcome = answer(world, {"action": "hello", "id": "1"})
    assert (welcome["type"], welcome["id"]) == ("welcome", "1")
    assert welcome["limits"] == {"frame_bytes": 32 * 1024, "message_bytes": 128 * 1024}
    assert len(welcome["session"]) >= 20
    assert answer(world, {"action": "hello", "id": "2"})["session"] != welcome["session"]


def test_hello_takes_a_session_up_again(world: World) -> None:
    assert answer(world, {"action": "hello", "id": "1", "session": "s"})["session"] == "s"


def test_the_tenant_is_the_tokens(world: World) -> None:
    message = {"action": "request", "id": "1", "compute": "echo", "tenant": "globex"}
    answer(world, message, {"tenant": "acme", "principal": "ann"})
    assert [outgoing.job.tenant for outgoing in world.jobs.sent] == ["acme", "acme"]


def test_without_an_authorizer_everybody_is_of_one_tenant(world: World) -> None:
    answer(world, {"action": "request", "id": "1", "compute": "echo"})
    assert world.jobs.sent[0].job.tenant == "public"


@pytest.mark.parametrize("tenant", ["", "a/b", "*", "x" * 65, "a b", "\u00fc", "a\n"])
def test_a_tenant_that_could_be_mistaken_is_forbidden(world: World, tenant: str) -> None:
    frame = answer(world, {"action": "request", "id": "1", "compute": "echo"}, {"tenant": tenant, "principal": "ann"})
    assert (frame["id"], frame["error"]["code"]) == ("1", "forbidden")


@pytest.mark.parametrize(
    ("body", "code", "request_id"),
    [
        (None, "invalid_json", None),
        ("", "invalid_json", None),
        ("no json", "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ("[]", "invalid_message", None),
        ({"action": "request", "id": "7"}, "invalid_message", "7"),
        ({"action": "request", "id": "x" * 129, "compute": "echo"}, "invalid_message", None),
        ({"action": "request", "id": "7", "compute": "echo", "deadline_ms": -1}, "invalid_message", "7"),
        ({"action": "request", "id": "7", "compute": "echo", "max_age": -1}, "invalid_message", "7"),
        ({"action": "shout", "id": "7"}, "unknown_action", "7"),
        ({"action": "request", "id": "7", "compute": "unheard-of"}, "unknown_compute", "7"),
        ({"action": "request", "id": "7", "compute": "echo", "params": {"number": "one"}}, "invalid_params", "7"),
        ({"action": "request", "id": "7", "compute": "echo", "params": [1]}, "invalid_params", "7"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_answered_with_its_code_and_logged_in_one_line(
    world: World, caplog: pytest.LogCaptureFixture, body: object, code: str, request_id: str | None
) -> None:
    frame = answer(world, body)
    assert (frame["type"], frame.get("id"), frame["error"]["code"]) == ("error", request_id, code)
    assert frame["error"]["retryable"] is False
    (record,) = caplog.records
    assert (record.code, record.connection_id) == (code, "ann=")
    assert "\n" not in record.getMessage()
    assert world.jobs.sent == []


def test_a_fault_of_ours_is_told_as_such(world: World) -> None:
    world.jobs.is_down = True
    frame = answer(world, {"action": "request", "id": "7", "compute": "echo"})
    assert (frame["id"], frame["error"]["code"], frame["error"]["retryable"]) == ("7", "internal", True)
