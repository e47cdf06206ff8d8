"""APIs with routes that are throttled to nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.http_client import request
from tests.conformance.sockets import refusal
from tests.conformance.targets import Limits, Target, Targets, Trait


@pytest.fixture(scope="module")
def throttled(main_target: Target, targets: Targets) -> Iterator[Target]:
    main_target.need(Trait.ROUTE_THROTTLING)
    with targets.deployed("throttled", Limits()) as target:
        yield target


def test_a_throttled_handshake_is_429(throttled: Target) -> None:
    """Source: 429 in ServerlessNetworkingClients issue 3 and terraform-aws-apigateway-v2 issue 8."""
    assert refusal(throttled, {}).status_code == 429


def test_a_throttled_request_over_http_is_429(throttled: Target) -> None:
    """Source: "Throttle requests to your HTTP APIs" (429 Too Many Requests error response)."""
    throttled.need(Trait.HTTP_API)
    response = request(throttled, "GET", "/closed")
    assert (response.status, response.json) == (429, {"message": "Too Many Requests"})
    assert request(throttled, "GET", "/open").status == 200
