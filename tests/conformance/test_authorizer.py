"""The REQUEST authorizer of `$connect`."""

from __future__ import annotations

import pytest

from tests.conformance.recorded_events import new_subject, recorded, wait_for
from tests.conformance.sockets import message_event, open_socket, refusal
from tests.conformance.targets import Target


def test_without_the_identity_source_it_is_not_even_called(target: Target) -> None:
    """Source: "Create a Lambda REQUEST authorizer function"."""
    refused, opened = new_subject(), new_subject()
    assert refusal(target, {"probe": refused}).status_code == 401
    with open_socket(target, {"auth": "allow", "probe": opened}):
        wait_for(target, opened, "AUTHORIZER")
    assert recorded(target, refused, "AUTHORIZER") == []


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        pytest.param("unauthorized", 401, id="throwing exactly Unauthorized is 401"),
        pytest.param("deny", 403, id="a Deny is 403"),
        pytest.param("unmatched", 403, id="an Allow for something else is 403"),
        pytest.param("", 401, id="an empty identity source is a missing one"),
        pytest.param("malformed", 500, id="an answer without a policy is 500"),
        pytest.param("nested", 500, id="a context with anything but plain values is 500"),
        pytest.param("throw", 500, id="throwing anything else is 500"),
    ],
)
def test_refusals(target: Target, auth: str, status: int) -> None:
    """Source: "Create a Lambda REQUEST authorizer function", "Output from a Lambda authorizer"; seen on AWS."""
    assert refusal(target, {"auth": auth}).status_code == status


def test_a_policy_may_name_every_route_of_the_stage(target: Target) -> None:
    """Source: powertools-lambda-python issue 5800 (`.../stage/*` lets `$connect` in)."""
    with open_socket(target, {"auth": "wildcard"}) as socket:
        assert message_event(socket)["requestContext"]["authorizer"]["principalId"] == "me"


def test_who_is_refused_never_reaches_the_connect_function(target: Target) -> None:
    """Source: "Manage connected users and client apps: $connect and $disconnect routes"."""
    refused, opened = new_subject(), new_subject()
    refusal(target, {"auth": "deny", "probe": refused})
    with open_socket(target, {"auth": "allow", "probe": opened}):
        wait_for(target, opened, "CONNECT")
    assert recorded(target, refused, "CONNECT") == []


def test_its_event(target: Target) -> None:
    """Source: the input shown in "Create a Lambda REQUEST authorizer function"."""
    subject = new_subject()
    query = [("auth", "allow"), ("probe", subject), ("tag", "a"), ("tag", "b")]
    with open_socket(target, query, additional_headers={"HeaderAuth1": "headerValue1"}):
        event = wait_for(target, subject, "AUTHORIZER")
    assert set(event) == {
        "type",
        "methodArn",
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "stageVariables",
        "requestContext",
    }
    assert event["type"] == "REQUEST"
    request = event["requestContext"]
    assert event["methodArn"].startswith("arn:aws:execute-api:")
    assert event["methodArn"].endswith(f":{request['apiId']}/{request['stage']}/$connect")
    assert event["queryStringParameters"] == {"auth": "allow", "probe": subject, "tag": "b"}
    assert event["multiValueQueryStringParameters"]["tag"] == ["a", "b"]
    assert event["headers"]["HeaderAuth1"] == "headerValue1"
    assert event["multiValueHeaders"]["HeaderAuth1"] == ["headerValue1"]


def test_its_event_has_the_headers_of_the_hop_to_the_gateway(target: Target) -> None:
    """Source: the input shown in "Create a Lambda REQUEST authorizer function"."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "probe": subject}):
        headers = wait_for(target, subject, "AUTHORIZER")["headers"]
    assert headers["Connection"].lower() == "upgrade"
    assert headers["Upgrade"].lower() == "websocket"
    assert headers["content-length"] == "0"
    assert {"Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} <= set(headers)
    assert {"X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"} <= set(headers)


def test_its_request_context(target: Target) -> None:
    """Source: the input shown in "Create a Lambda REQUEST authorizer function"."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "probe": subject}) as socket:
        context = wait_for(target, subject, "AUTHORIZER")["requestContext"]
        later = message_event(socket)["requestContext"]
    assert set(context) == {
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
    }
    assert (context["routeKey"], context["eventType"], context["messageDirection"]) == ("$connect", "CONNECT", "IN")
    assert context["connectionId"] == later["connectionId"]


def test_stage_variables_reach_it(target: Target) -> None:
    """Source: the input shown in "Create a Lambda REQUEST authorizer function"."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "probe": subject}):
        assert wait_for(target, subject, "AUTHORIZER")["stageVariables"] == {"colour": "blue"}


def test_it_is_asked_once_per_connection(target: Target) -> None:
    """Source: "Manage connected users and client apps" (authorization only at connection time)."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "probe": subject}) as socket:
        identity = message_event(socket)["requestContext"]["connectionId"]
        message_event(socket)
    wait_for(target, identity, "DISCONNECT")
    assert len(recorded(target, subject, "AUTHORIZER")) == 1


def test_its_answer_is_not_cached(target: Target) -> None:
    """Source: AuthorizerResultTtlInSeconds in the API reference ("supported only for HTTP API Lambda authorizers")."""
    subject = new_subject()
    for _ in range(2):
        with open_socket(target, {"auth": "allow", "probe": subject}):
            wait_for(target, subject, "CONNECT")
    assert len(recorded(target, subject, "AUTHORIZER")) == 2


def test_its_context_is_in_every_later_event_as_strings(target: Target) -> None:
    """Source: `requestContext.authorizer` in boto3 issue 3789's log; "Output from a Lambda authorizer" (strings)."""
    subject = new_subject()
    with open_socket(target, {"auth": "allow", "probe": subject}) as socket:
        message = message_event(socket)
    events = [wait_for(target, subject, "CONNECT"), message]
    events.append(wait_for(target, message["requestContext"]["connectionId"], "DISCONNECT"))
    for event in events:
        authorizer = event["requestContext"]["authorizer"]
        assert set(authorizer) == {"principalId", "integrationLatency", "text", "number", "flag"}
        assert authorizer["principalId"] == "me"
        assert (authorizer["text"], authorizer["number"], authorizer["flag"]) == ("plain", "7", "true")
        assert isinstance(authorizer["integrationLatency"], int)
