"""The authorizer through its handler, with AWS's own events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

import connect.authorizer
import request.http_app
from connect.authorizer import UnauthorizedError, handler
from push.errors import SettingsError, TransientError
from tests.servers.aws import Aws

ReadEvent = Callable[[str], dict[str, Any]]
SECRET = "s" * 64
METHOD_ARN = "arn:aws:execute-api:us-east-1:123456789012:abcdefghij/v1/$connect"
ORIGIN = "https://app.example"


@pytest.fixture
def environment(environment: pytest.MonkeyPatch, aws: Aws) -> pytest.MonkeyPatch:
    arn = aws.client("secretsmanager").create_secret(Name=aws.bucket, SecretString=SECRET)["ARN"]
    environment.setenv("AUTH_MODE", "jwt")
    environment.setenv("TOKEN_SECRET_ARN", arn)
    environment.setenv("ALLOWED_ORIGINS", f"{ORIGIN},https://other.example")
    return environment


def token(secret: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": "ada", "tenant": "acme", "exp": time.time() + 60, **claims}, secret, algorithm="HS256")


@pytest.fixture
def event(read_event: ReadEvent) -> dict[str, Any]:
    return read_event("websocket_authorizer")


def with_headers(event: dict[str, Any], **headers: str) -> dict[str, Any]:
    for name, value in headers.items():
        wire_name = name.replace("_", "-")
        event["headers"][wire_name] = value
        event["multiValueHeaders"][wire_name] = [value]
    return event


def allowed(answer: dict[str, Any], tenant: str, principal: str) -> dict[str, Any]:
    """Check that a handshake is allowed as a principal; return the claims that are forwarded."""
    claims = json.loads(answer["context"].pop("claims", "{}"))
    assert answer == _policy(tenant, principal)
    return claims


def _policy(tenant: str, principal: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": METHOD_ARN}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"tenant": tenant, "principal": principal},
    }


def test_a_bearer_token_is_allowed_as_whom_it_names(event: dict[str, Any]) -> None:
    assert allowed(handler(with_headers(event, Authorization=f"Bearer {token()}"), None), "acme", "ada")


def test_the_claims_are_forwarded_as_one_string(event: dict[str, Any]) -> None:
    answer = handler(with_headers(event, Authorization=f"Bearer {token(role='clerk')}"), None)
    assert all(isinstance(value, str) for value in answer["context"].values())
    assert allowed(answer, "acme", "ada")["role"] == "clerk"


def test_the_claims_of_another_issuer_are_mapped(environment: pytest.MonkeyPatch, event: dict[str, Any]) -> None:
    environment.setenv("TENANT_CLAIM", "app_metadata.tenant")
    environment.setenv("PRINCIPAL_CLAIM", "custom:user")
    environment.setenv("FORWARDED_CLAIMS", "role, app_metadata.plan")
    mapped = {"custom:user": "bob", "app_metadata": {"tenant": "shop", "plan": "free"}, "role": "clerk", "name": "B"}
    answer = handler(with_headers(event, Authorization=f"Bearer {token(**mapped)}"), None)
    assert allowed(answer, "shop", "bob") == {"role": "clerk", "app_metadata.plan": "free"}


def test_a_claim_path_that_matches_nothing_is_named_in_the_log(
    environment: pytest.MonkeyPatch, event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    environment.setenv("TENANT_CLAIM", "app_metadata.tenant")
    with pytest.raises(UnauthorizedError):
        handler(with_headers(event, Authorization=f"Bearer {token()}"), None)
    assert "The token has no claim `app_metadata.tenant`, which names the tenant here." in caplog.text


def test_every_token_may_belong_to_one_tenant(environment: pytest.MonkeyPatch, event: dict[str, Any]) -> None:
    environment.setenv("FIXED_TENANT", "shop")
    assert allowed(handler(with_headers(event, Authorization=f"Bearer {token()}"), None), "shop", "ada")


def test_a_fixed_tenant_that_is_no_name_is_refused_at_the_start(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FIXED_TENANT", "a/b")
    with pytest.raises(SettingsError, match="FIXED_TENANT must be"):
        connect.authorizer.build()


def test_a_token_among_the_subprotocols_is_allowed_from_an_allowed_origin(event: dict[str, Any]) -> None:
    offered = f"pushaside.v1, bearer.{token()}"
    answer = handler(with_headers(event, Origin=ORIGIN, Sec_WebSocket_Protocol=offered), None)
    assert allowed(answer, "acme", "ada")


def test_a_ticket_from_the_http_api_is_allowed_once(event: dict[str, Any], read_event: ReadEvent) -> None:
    http_event = read_event("http_tickets")
    http_event["headers"]["authorization"] = f"Bearer {token()}"
    issued = request.http_app.handler(http_event, None)
    event["queryStringParameters"] = {"ticket": json.loads(issued["body"])["ticket"]}
    with_headers(event, Origin=ORIGIN)
    assert allowed(handler(event, None), "acme", "ada")["sub"] == "ada"
    with pytest.raises(UnauthorizedError):
        handler(event, None)


@pytest.mark.parametrize(
    "credential",
    [
        token(secret="x" * 64),
        token(exp=1),
        token(tenant="a/b"),
        jwt.encode({"sub": "ada", "tenant": "acme"}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "ada", "tenant": "acme", "exp": 9e9}, None, algorithm="none"),
        jwt.encode({"sub": "ada", "tenant": "acme", "exp": 9e9}, SECRET, algorithm="HS512"),
        "a.b.c",
        "no token",
        "é",
    ],
    ids=["other key", "expired", "no tenant's name", "no expiry", "unsigned", "other algorithm", "abc", "text", "é"],
)
def test_a_bad_token_is_unauthorized_in_the_words_that_api_gateway_wants(
    event: dict[str, Any], credential: str
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(with_headers(event, Authorization=f"Bearer {credential}"), None)


def test_no_credential_is_unauthorized(event: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError, match=r"^Unauthorized$"):
        handler(event, None)


def test_another_origin_is_denied_and_the_log_says_why_without_the_token(
    event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    credential = token()
    with_headers(event, Origin="https://evil.example", Sec_WebSocket_Protocol=f"bearer.{credential}")
    answer = handler(event, None)
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert "context" not in answer
    assert "https://evil.example" in caplog.text
    assert credential not in caplog.text


def test_the_reason_of_a_refusal_is_logged_without_the_token(
    event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    credential = token(exp=1)
    with pytest.raises(UnauthorizedError):
        handler(with_headers(event, Authorization=f"Bearer {credential}"), None)
    assert "The token has expired." in caplog.text
    assert credential not in caplog.text


def test_issuer_and_audience_are_checked_where_they_are_set(
    environment: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    environment.setenv("JWT_ISSUER", "https://issuer.example")
    environment.setenv("JWT_AUDIENCE", "push")
    good = token(iss="https://issuer.example", aud="push")
    assert allowed(handler(with_headers(event, Authorization=f"Bearer {good}"), None), "acme", "ada")
    with pytest.raises(UnauthorizedError):
        handler(with_headers(event, Authorization=f"Bearer {token()}"), None)


def test_a_credential_that_cannot_be_checked_now_is_not_called_bad(
    environment: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    environment.setenv("TOKEN_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:absent")
    with pytest.raises(TransientError):
        handler(with_headers(event, Authorization=f"Bearer {token()}"), None)


def test_without_authentication_everybody_is_allowed_as_public(
    environment: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    environment.setenv("AUTH_MODE", "none")
    environment.setenv("ALLOWED_ORIGINS", "")
    connect.authorizer.build.cache_clear()
    for each in (event, with_headers(event, Origin="https://anywhere.example")):
        assert handler(each, None) == _policy("public", "anonymous")
