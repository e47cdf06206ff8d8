"""An HTTP API that lets pages of every origin use it, and whose `$default` route takes every request."""

from __future__ import annotations

import pytest

from tests.conformance.http_client import request
from tests.conformance.targets import Target, Trait

STACK = "expression"
ORIGIN = ("Origin", "https://page.example")


@pytest.fixture(scope="module")
def http_target(target: Target) -> Target:
    target.need(Trait.HTTP_API)
    return target


def test_any_origin_is_told_so(http_target: Target) -> None:
    """Source: "Configure CORS for HTTP APIs" (allowOrigins, `*`)."""
    response = request(http_target, "GET", "/x", headers=[ORIGIN])
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_default_route_gets_preflight_requests(http_target: Target) -> None:
    """Source: "Configure CORS for HTTP APIs" (the $default route catches requests for all methods, also OPTIONS)."""
    headers = [ORIGIN, ("Access-Control-Request-Method", "GET")]
    response = request(http_target, "OPTIONS", "/x", headers=headers)
    assert response.json["routeKey"] == "$default"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
