"""The HTTP API through its handler."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from push.access.tickets import TICKET_SECONDS, hash_ticket
from request.http_app import handler
from tests.servers.aws import Aws

ReadEvent = Callable[[str], dict[str, Any]]
SECRET = "s" * 64


@pytest.fixture
def secured(environment: pytest.MonkeyPatch, aws: Aws) -> pytest.MonkeyPatch:
    arn = aws.client("secretsmanager").create_secret(Name=aws.bucket, SecretString=SECRET)["ARN"]
    environment.setenv("TOKEN_SECRET_ARN", arn)
    return environment


@pytest.fixture
def event(read_event: ReadEvent) -> dict[str, Any]:
    return read_event("http_tickets")


def with_token(event: dict[str, Any], **claims: Any) -> dict[str, Any]:
    payload = {"sub": "ada", "tenant": "acme", "exp": time.time() + 60, **claims}
    event["headers"]["authorization"] = f"Bearer {jwt.encode(payload, SECRET, algorithm='HS256')}"
    return event


def test_health_needs_no_settings(monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]) -> None:
    monkeypatch.delenv("TICKETS_TABLE")
    answer = handler({**event, "routeKey": "GET /healthz"}, None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"status": "ok"}


@pytest.mark.usefixtures("secured")
def test_a_token_is_exchanged_for_a_ticket(aws: Aws, event: dict[str, Any]) -> None:
    answer = handler(with_token(event), None)
    issued = json.loads(answer["body"])
    (row,) = aws.rows("tickets")
    assert answer["statusCode"] == 201
    assert answer["headers"] == {"content-type": "application/json", "cache-control": "no-store"}
    assert issued == {"ticket": issued["ticket"], "expires_in_seconds": TICKET_SECONDS}
    assert row["ticket"] == {"S": hash_ticket(issued["ticket"])}
    assert (row["tenant"], row["principal"]) == ({"S": "acme"}, {"S": "ada"})


@pytest.mark.usefixtures("secured")
@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer abc"], ids=str)
def test_without_a_good_token_there_is_a_problem_and_no_ticket(
    aws: Aws, event: dict[str, Any], header: str | None
) -> None:
    if header is not None:
        event["headers"]["authorization"] = header
    answer = handler(event, None)
    assert answer["statusCode"] == 401
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["headers"]["www-authenticate"] == "Bearer"
    assert json.loads(answer["body"])["code"] == "unauthorized"
    assert aws.rows("tickets") == []


@pytest.mark.usefixtures("secured")
def test_an_expired_token_is_called_expired(event: dict[str, Any]) -> None:
    answer = handler(with_token(event, exp=1), None)
    assert json.loads(answer["body"])["detail"] == "The token has expired."


def test_without_authentication_everybody_gets_a_ticket_as_public(
    environment: pytest.MonkeyPatch, aws: Aws, event: dict[str, Any]
) -> None:
    environment.setenv("AUTH_MODE", "none")
    assert handler(event, None)["statusCode"] == 201
    (row,) = aws.rows("tickets")
    assert (row["tenant"], row["principal"]) == ({"S": "public"}, {"S": "anonymous"})


def test_when_the_table_fails_the_caller_may_ask_again_and_learns_nothing_of_the_inside(
    environment: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    environment.setenv("AUTH_MODE", "none")
    environment.setenv("TICKETS_TABLE", "absent")
    answer = handler(event, None)
    assert answer["statusCode"] == 503
    assert answer["headers"]["retry-after"] == "1"
    assert "DynamoDB" not in answer["body"]


def test_a_route_that_is_not_there_is_a_problem(event: dict[str, Any]) -> None:
    answer = handler({**event, "routeKey": "$default"}, None)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"
