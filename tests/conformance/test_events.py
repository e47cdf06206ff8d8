"""The events of `$connect`, messages and `$disconnect`.

The samples named as sources are those of powertools-lambda-python, tests/events/apiGatewayWebSocketApi*.json.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.conformance.recorded_events import new_subject, wait_for
from tests.conformance.sockets import CONNECTION_ID, connection_id, message_event, open_socket
from tests.conformance.targets import Target

COMMON_CONTEXT = {
    "routeKey",
    "eventType",
    "extendedRequestId",
    "requestTime",
    "messageDirection",
    "stage",
    "connectedAt",
    "requestTimeEpoch",
    "identity",
    "requestId",
    "domainName",
    "connectionId",
    "apiId",
    "authorizer",
}
COMMON_LOG_TIME = re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000")


def without_variables(event: dict[str, Any]) -> set[str]:
    """Members of an event; whether proxy events show stage variables is not documented."""
    return set(event) - {"stageVariables"}


@pytest.fixture
def connect_event(target: Target) -> dict[str, Any]:
    subject = new_subject()
    query = [("auth", "allow"), ("probe", subject), ("tag", "a"), ("tag", "b"), ("empty", "")]
    headers = [("X-CaseD-Name", "kept"), ("X-Twice", "1"), ("X-Twice", "2")]
    with open_socket(target, query, additional_headers=headers):
        event: dict[str, Any] = wait_for(target, subject, "CONNECT")
    return event


def test_members_of_a_connect_event(connect_event: dict[str, Any]) -> None:
    """Source: the sample CONNECT event."""
    assert without_variables(connect_event) == {
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "requestContext",
        "isBase64Encoded",
    }
    assert set(connect_event["requestContext"]) == COMMON_CONTEXT
    assert connect_event["requestContext"]["routeKey"] == "$connect"
    assert connect_event["requestContext"]["eventType"] == "CONNECT"
    assert connect_event["isBase64Encoded"] is False


def test_headers_of_a_connect_event(connect_event: dict[str, Any]) -> None:
    """Source: the sample CONNECT event (original case, what the gateway adds, nothing of the hop)."""
    headers = connect_event["headers"]
    assert headers["X-CaseD-Name"] == "kept"
    assert connect_event["multiValueHeaders"]["X-Twice"] == ["1", "2"]
    assert headers["X-Twice"] == "2"
    assert {"X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"} <= set(headers)
    assert {"Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} <= set(headers)
    assert not {"connection", "upgrade", "content-length"} & {name.lower() for name in headers}
    assert set(connect_event["multiValueHeaders"]) == set(headers)


def test_query_of_a_connect_event(connect_event: dict[str, Any]) -> None:
    """Source: the sample CONNECT event; the last of several values, as in REST APIs' proxy events."""
    assert connect_event["queryStringParameters"]["tag"] == "b"
    assert connect_event["queryStringParameters"]["empty"] == ""
    assert connect_event["multiValueQueryStringParameters"]["tag"] == ["a", "b"]


def test_members_of_a_message_event(socket: ClientConnection) -> None:
    """Source: the sample MESSAGE event: no headers, no query."""
    event = message_event(socket)
    assert without_variables(event) == {"requestContext", "body", "isBase64Encoded"}
    assert set(event["requestContext"]) == COMMON_CONTEXT | {"messageId"}
    assert event["requestContext"]["eventType"] == "MESSAGE"
    assert event["requestContext"]["routeKey"] == "act"
    assert event["isBase64Encoded"] is False


def test_a_messages_body_is_its_exact_text(socket: ClientConnection) -> None:
    """Source: the sample MESSAGE event."""
    text = '{ "action" : "act",\n "é": "\\u00e9 \U0001f600" }'
    assert message_event(socket, text)["body"] == text


def test_ids_and_times_of_an_event(socket: ClientConnection) -> None:
    """Source: the sample events."""
    context = message_event(socket)["requestContext"]
    assert CONNECTION_ID.fullmatch(context["connectionId"])
    assert CONNECTION_ID.fullmatch(context["messageId"])
    assert context["requestId"] == context["extendedRequestId"]
    assert COMMON_LOG_TIME.fullmatch(context["requestTime"])
    assert context["messageDirection"] == "IN"
    assert context["connectedAt"] <= context["requestTimeEpoch"]
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 60
    assert set(context["identity"]) - {"userAgent"} == {"sourceIp"}


def test_every_message_has_ids_of_its_own(socket: ClientConnection) -> None:
    """Source: the sample MESSAGE event."""
    first, second = (message_event(socket)["requestContext"] for _ in range(2))
    assert first["connectionId"] == second["connectionId"]
    assert first["connectedAt"] == second["connectedAt"]
    assert first["messageId"] != second["messageId"]
    assert first["requestId"] != second["requestId"]


def test_the_domain_is_the_host_that_was_connected_to(target: Target) -> None:
    """Source: the sample CONNECT event."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "probe": subject}):
        event = wait_for(target, subject, "CONNECT")
    assert event["requestContext"]["domainName"] == event["headers"]["Host"]


def test_the_user_agent_is_part_of_the_identity(target: Target) -> None:
    """Source: the sample CONNECT event (`identity.userAgent`)."""
    with open_socket(target, user_agent_header="conformance/1") as socket:
        assert message_event(socket)["requestContext"]["identity"]["userAgent"] == "conformance/1"


def test_members_of_a_disconnect_event(target: Target) -> None:
    """Source: the sample DISCONNECT event."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
    event = wait_for(target, identity, "DISCONNECT")
    assert without_variables(event) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert set(event["requestContext"]) == COMMON_CONTEXT | {"disconnectStatusCode", "disconnectReason"}
    assert event["requestContext"]["routeKey"] == "$disconnect"
    assert event["requestContext"]["eventType"] == "DISCONNECT"


def test_headers_of_a_disconnect_event(target: Target) -> None:
    """Source: the sample DISCONNECT event."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
    event = wait_for(target, identity, "DISCONNECT")
    host = event["requestContext"]["domainName"]
    assert event["headers"] == {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
