"""What an HTTP API with a CORS configuration tells pages of other origins."""

from __future__ import annotations

from email.message import Message

import pytest

from tests.conformance.http_client import answer, request
from tests.conformance.targets import Target, Trait

PAGE = "https://page.example"
ALLOWED = pytest.mark.parametrize("origin", [PAGE, "http://any.example:8000"])


@pytest.fixture(scope="module")
def http_target(target: Target) -> Target:
    target.need(Trait.HTTP_API)
    return target


def preflight(origin: str) -> list[tuple[str, str]]:
    return [("Origin", origin), ("Access-Control-Request-Method", "GET")]


def told(headers: Message) -> dict[str, str]:
    """Return the CORS headers, names in lower case."""
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("access-control-")}


def items(value: str) -> set[str]:
    return {item.strip().lower() for item in value.split(",")}


# Preflight requests


@ALLOWED
@pytest.mark.parametrize("path", ["/files/a", "/answer", "/nowhere"])
def test_a_preflight_request_is_answered_without_a_route_for_it(http_target: Target, path: str, origin: str) -> None:
    """Source: "Configure CORS for HTTP APIs" (even if there isn't an OPTIONS route; allowOrigins by prefix)."""
    response = request(http_target, "OPTIONS", path, headers=preflight(origin))
    assert 200 <= response.status < 300
    assert response.body == b""
    headers = told(response.headers)
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-max-age"] == "300"
    assert {"get", "post"} <= items(headers["access-control-allow-methods"])
    assert {"content-type", "x-kind"} <= items(headers["access-control-allow-headers"])


def test_it_is_answered_with_204(http_target: Target) -> None:
    """Source: what emulators answer (floci pull request 1955); the documents name no status."""
    assert request(http_target, "OPTIONS", "/answer", headers=preflight(PAGE)).status == 204


@pytest.mark.parametrize(
    "headers", [[], [("Origin", PAGE)], [("Access-Control-Request-Method", "GET")]], ids=["nothing", "origin", "method"]
)
def test_options_that_are_no_preflight_request_have_no_such_headers(
    http_target: Target, headers: list[tuple[str, str]]
) -> None:
    """Source: "Configure CORS for HTTP APIs" (must contain an origin and an Access-Control-Request-Method header)."""
    assert told(request(http_target, "OPTIONS", "/answer", headers=headers).headers) == {}


@pytest.mark.parametrize("origin", ["https://other.example", "https://page.example.org", "null"])
def test_an_origin_that_is_not_allowed_is_told_nothing(http_target: Target, origin: str) -> None:
    """Source: the Fetch standard's CORS check, which such a page must not pass."""
    assert told(request(http_target, "OPTIONS", "/answer", headers=preflight(origin)).headers) == {}
    assert told(request(http_target, "GET", "/items/sale", headers=[("Origin", origin)]).headers) == {}


def test_a_route_for_any_method_gets_preflight_requests(http_target: Target) -> None:
    """Source: serverless-application-model issue 1603 (the function received OPTIONS)."""
    response = request(http_target, "OPTIONS", "/items/7", headers=preflight(PAGE))
    assert response.status == 200
    assert response.json["routeKey"] == "ANY /items/{id}"
    assert told(response.headers)["access-control-allow-origin"] == PAGE


# Responses


@ALLOWED
def test_an_integrations_response_has_the_configured_headers(http_target: Target, origin: str) -> None:
    """Source: "Configure CORS for HTTP APIs" (adds the configured CORS headers to the response from an integration)."""
    headers = told(request(http_target, "GET", "/items/sale", headers=[("Origin", origin)]).headers)
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-credentials"] == "true"
    assert {"etag", "x-kind"} <= items(headers["access-control-expose-headers"])


def test_headers_that_the_integration_returns_itself_are_ignored(http_target: Target) -> None:
    """Source: "Configure CORS for HTTP APIs" (ignores CORS headers returned from your backend integration)."""
    theirs = {"Access-Control-Allow-Origin": "https://other.example", "X-Kind": "tea"}
    response = answer(http_target, {"statusCode": 200, "headers": theirs, "body": ""}, [("Origin", PAGE)])
    assert response.headers.get_all("Access-Control-Allow-Origin") == [PAGE]
    assert response.headers["X-Kind"] == "tea"


def test_a_request_without_an_origin_has_a_response_without_such_headers(http_target: Target) -> None:
    """Source: "Configure CORS for HTTP APIs" (to return CORS headers, your request must contain an origin header)."""
    assert told(request(http_target, "GET", "/items/sale").headers) == {}
