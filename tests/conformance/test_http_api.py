"""The HTTP API beside it: payload format 2.0."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.conformance.http_client import answer, request
from tests.conformance.targets import Target, Trait


@pytest.fixture(scope="module")
def http_target(target: Target) -> Target:
    target.need(Trait.HTTP_API)
    return target


# Events


def test_members_of_an_event(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0."""
    event = request(http_target, "GET", "/items/7").json
    assert set(event) - {"stageVariables"} == {
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "pathParameters",
        "requestContext",
        "isBase64Encoded",
    }
    assert event["version"] == "2.0"
    assert event["routeKey"] == "GET /items/{id}"
    assert event["rawPath"] == "/items/7"
    assert event["rawQueryString"] == ""
    assert event["pathParameters"] == {"id": "7"}
    assert event["isBase64Encoded"] is False


def test_request_context(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0."""
    event = request(http_target, "GET", "/items/7", headers=[("User-Agent", "conformance/1")]).json
    context = event["requestContext"]
    assert set(context) == {
        "accountId",
        "apiId",
        "domainName",
        "domainPrefix",
        "http",
        "requestId",
        "routeKey",
        "stage",
        "time",
        "timeEpoch",
    }
    assert context["routeKey"] == event["routeKey"]
    assert context["stage"] == "$default"
    assert set(context["http"]) == {"method", "path", "protocol", "sourceIp", "userAgent"}
    assert (context["http"]["method"], context["http"]["path"]) == ("GET", "/items/7")
    assert context["http"]["protocol"] == "HTTP/1.1"
    assert context["http"]["userAgent"] == "conformance/1"


def test_headers_are_lower_case_and_joined_by_commas(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs" (no multiValueHeaders in 2.0)."""
    event = request(http_target, "GET", "/items/7", headers=[("X-Twice", "1"), ("X-Twice", "2")]).json
    assert event["headers"]["x-twice"] == "1,2"
    assert {"host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"} <= set(event["headers"])
    assert all(name == name.lower() for name in event["headers"])


def test_query_parameters_are_decoded_and_joined_by_commas(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0."""
    event = request(http_target, "GET", "/items/7?tag=a&tag=b&text=a%20b&empty=").json
    assert event["rawQueryString"] == "tag=a&tag=b&text=a%20b&empty="
    assert event["queryStringParameters"] == {"tag": "a,b", "text": "a b", "empty": ""}


def test_cookies_are_a_list_of_their_own(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0."""
    event = request(http_target, "GET", "/items/7", headers=[("Cookie", "a=1; b=2")]).json
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


def test_a_text_body(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0."""
    event = request(http_target, "POST", "/items/7", '{"é":1}'.encode(), [("Content-Type", "application/json")]).json
    assert (event["body"], event["isBase64Encoded"]) == ('{"é":1}', False)


def test_a_binary_body_is_base64(http_target: Target) -> None:
    """Source: "Working with binary media types for HTTP APIs" (by the request's content type)."""
    body = bytes(range(256))
    event = request(http_target, "POST", "/items/7", body, [("Content-Type", "application/octet-stream")]).json
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


# Routes


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        pytest.param("GET", "/items/sale", "GET /items/sale", None, id="a literal path before a parameter"),
        pytest.param("GET", "/items/7", "GET /items/{id}", {"id": "7"}, id="a method before ANY"),
        pytest.param("PUT", "/items/7", "ANY /items/{id}", {"id": "7"}, id="ANY for the other methods"),
        pytest.param("GET", "/files/a/b.txt", "GET /files/{path+}", {"path": "a/b.txt"}, id="a greedy parameter"),
    ],
)
def test_the_most_specific_route_is_taken(
    http_target: Target, method: str, path: str, route: str, parameters: dict[str, str] | None
) -> None:
    """Source: "Create routes for HTTP APIs"."""
    event = request(http_target, method, path).json
    assert event["routeKey"] == route
    assert event.get("pathParameters") == parameters


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("GET", "/answer"), ("GET", "/items/7/8")])
def test_no_route_is_404(http_target: Target, method: str, path: str) -> None:
    """Source: "Create routes for HTTP APIs" (no $default route: `{"message":"Not Found"}`)."""
    response = request(http_target, method, path)
    assert response.status == 404
    assert response.json == {"message": "Not Found"}


# Responses


def test_a_response_with_status_and_headers(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", response format 2.0."""
    value = {"statusCode": 418, "headers": {"content-type": "text/x-tea", "X-Kind": "green"}, "body": "é"}
    response = answer(http_target, value)
    assert response.status == 418
    assert response.headers["Content-Type"] == "text/x-tea"
    assert response.headers["X-Kind"] == "green"
    assert response.body == "é".encode()


def test_cookies_become_set_cookie_headers(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", response format 2.0."""
    response = answer(http_target, {"statusCode": 200, "cookies": ["a=1", "b=2; Secure"], "body": ""})
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2; Secure"]


def test_a_base64_body_is_decoded(http_target: Target) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", response format 2.0."""
    body = bytes(range(256))
    value = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(body).decode()}
    assert answer(http_target, value).body == body


@pytest.mark.parametrize(
    ("value", "body"),
    [({"hello": "world"}, b'{"hello":"world"}'), ("plain", b"plain"), ([1, 2], b"[1,2]")],
    ids=["an object", "a string", "an array"],
)
def test_an_answer_without_a_status_is_the_body_of_a_200(http_target: Target, value: Any, body: bytes) -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs" (inferred responses)."""
    response = answer(http_target, value)
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.body.replace(b": ", b":").replace(b", ", b",") == body


def test_a_function_that_throws_is_500(http_target: Target) -> None:
    """Source: "Troubleshooting HTTP API Lambda integrations"."""
    response = request(http_target, "POST", "/answer", b'{"throw":1}', [("Content-Type", "application/json")])
    assert response.status == 500
    assert response.json == {"message": "Internal Server Error"}
