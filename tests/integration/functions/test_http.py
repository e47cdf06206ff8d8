"""The HTTP API through its handler."""

from __future__ import annotations

import json
import time
import uuid
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


@pytest.fixture
def change_queue(environment: pytest.MonkeyPatch, aws: Aws) -> str:
    url: str = aws.client("sqs").create_queue(QueueName=f"change-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    environment.setenv("CHANGE_QUEUE_URL", url)
    return url


def raise_tags(event: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Call `POST /changes`."""
    event["headers"]["content-type"] = "application/json"
    return handler({**event, "routeKey": "POST /changes", "body": json.dumps(body), "isBase64Encoded": False}, None)


def sent_to(aws: Aws, queue: str) -> list[Any]:
    answer = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(each["Body"]) for each in answer.get("Messages", ())]


@pytest.mark.usefixtures("secured")
def test_raised_tags_are_in_the_queue_of_changes_when_they_are_answered(
    aws: Aws, event: dict[str, Any], change_queue: str
) -> None:
    answer = raise_tags(with_token(event, changes="tenant"), tags=["rates", "fees"])
    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"status": "accepted"})
    assert answer["headers"]["cache-control"] == "no-store"
    assert sent_to(aws, change_queue) == [{"tags": ["rates", "fees"], "tenant": "acme"}]


@pytest.mark.usefixtures("secured")
@pytest.mark.parametrize("scope", ["shared", "all"])
def test_a_token_for_all_changes_raises_tags_in_every_scope(
    aws: Aws, event: dict[str, Any], change_queue: str, scope: str
) -> None:
    event = with_token(event, changes="all")
    assert raise_tags(event, tags=["rates"], scope=scope)["statusCode"] == 202
    assert raise_tags(event, tags=["rates"], tenant="globex")["statusCode"] == 202
    sent = sorted(sent_to(aws, change_queue), key=str)
    assert sent == sorted([{"tags": ["rates"], "scope": scope}, {"tags": ["rates"], "tenant": "globex"}], key=str)


@pytest.mark.usefixtures("secured")
@pytest.mark.parametrize(
    ("claims", "body", "status", "code"),
    [
        ({}, {"tags": ["rates"]}, 403, "forbidden"),
        ({"changes": "tenant"}, {"tags": ["rates"], "tenant": "globex"}, 403, "forbidden"),
        ({"changes": "tenant"}, {"tags": ["rates"], "scope": "all"}, 403, "forbidden"),
        ({"changes": "all"}, {"tags": []}, 400, "invalid_message"),
        ({"changes": "all"}, {"tags": ["rates"], "tenant": "*"}, 400, "invalid_message"),
        ({"exp": 1}, {"tags": ["rates"]}, 401, "unauthorized"),
    ],
)
def test_what_may_not_be_raised_is_a_problem_and_is_not_sent(
    aws: Aws,
    event: dict[str, Any],
    change_queue: str,
    claims: dict[str, Any],
    body: dict[str, Any],
    status: int,
    code: str,
) -> None:
    answer = raise_tags(with_token(event, **claims), **body)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (status, code)
    assert sent_to(aws, change_queue) == []


def test_without_authentication_every_caller_may_raise_every_tag(
    environment: pytest.MonkeyPatch, aws: Aws, event: dict[str, Any], change_queue: str
) -> None:
    environment.setenv("AUTH_MODE", "none")
    assert raise_tags(event, tags=["rates"])["statusCode"] == 202
    assert raise_tags(event, tags=["rates"], scope="all")["statusCode"] == 202
    sent = sorted(sent_to(aws, change_queue), key=str)
    assert sent == [{"tags": ["rates"], "scope": "all"}, {"tags": ["rates"], "tenant": "public"}]


@pytest.mark.usefixtures("secured", "change_queue")
def test_the_right_may_be_another_claim(environment: pytest.MonkeyPatch, event: dict[str, Any]) -> None:
    environment.setenv("CHANGE_CLAIM", "app.raises")
    assert raise_tags(with_token(event, changes="all"), tags=["rates"])["statusCode"] == 403
    assert raise_tags(with_token(event, app={"raises": "all"}), tags=["rates"])["statusCode"] == 202


def test_a_change_that_the_queue_does_not_take_is_to_be_sent_again(
    environment: pytest.MonkeyPatch, event: dict[str, Any], change_queue: str
) -> None:
    environment.setenv("AUTH_MODE", "none")
    environment.setenv("CHANGE_QUEUE_URL", f"{change_queue}-absent")
    answer = raise_tags(event, tags=["rates"])
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    assert json.loads(answer["body"])["code"] == "internal"


def test_a_route_that_is_not_there_is_a_problem(event: dict[str, Any]) -> None:
    answer = handler({**event, "routeKey": "$default"}, None)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"
