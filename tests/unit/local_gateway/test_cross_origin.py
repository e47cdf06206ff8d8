"""Which headers an HTTP API's CORS configuration adds to which responses."""

from __future__ import annotations

import pytest

from local.gateway.api import CorsConfiguration
from local.gateway.cross_origin import CrossOrigin
from local.gateway.http_messages import HttpRequest

PAGE = "https://page.example"
WHOLE = CorsConfiguration(
    allow_origins=(PAGE,),
    allow_methods=("GET", "POST"),
    allow_headers=("authorization", "content-type"),
    expose_headers=("etag", "age"),
    max_age_seconds=300,
    allow_credentials=True,
)


def headers(configuration: CorsConfiguration, method: str, **given: str) -> dict[str, str]:
    request = HttpRequest(b"/", [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()])
    request.method = method.encode()
    return dict(CrossOrigin(configuration).headers(request))


def preflight(configuration: CorsConfiguration, origin: str = PAGE) -> dict[str, str]:
    return headers(configuration, "OPTIONS", Origin=origin, Access_Control_Request_Method="GET")


def test_a_response_tells_who_may_read_it_and_what_of_it() -> None:
    assert headers(WHOLE, "GET", Origin=PAGE) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "etag,age",
    }


def test_a_preflight_response_tells_what_may_be_sent_as_well() -> None:
    assert preflight(WHOLE) == headers(WHOLE, "GET", Origin=PAGE) | {
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "300",
    }


def test_what_is_not_configured_is_not_told() -> None:
    assert preflight(CorsConfiguration(allow_origins=("*",))) == {"access-control-allow-origin": "*"}


def test_a_maximum_age_of_zero_is_told() -> None:
    configuration = CorsConfiguration(allow_origins=("*",), max_age_seconds=0)
    assert preflight(configuration)["access-control-max-age"] == "0"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_request_without_an_origin_is_told_nothing(method: str) -> None:
    assert headers(WHOLE, method, Access_Control_Request_Method="GET") == {}


def test_options_that_ask_for_no_method_are_told_nothing() -> None:
    assert headers(WHOLE, "OPTIONS", Origin=PAGE) == {}


@pytest.mark.parametrize(
    ("patterns", "origin", "allowed"),
    [
        (("https://a.example", "https://b.example"), "https://b.example", "https://b.example"),
        (("https://a.example",), "https://b.example", None),
        (("https://a.example",), "https://a.example:8443", None),
        (("https://a.example",), "https://a.example.org", None),
        (("*",), "https://b.example", "*"),
        (("*",), "null", "*"),
        (("https://a.example", "*"), "https://a.example", "*"),
        (("https://*",), "https://b.example", "https://b.example"),
        (("https://*",), "http://b.example", None),
        (("http://*",), "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        (("https://*",), "null", None),
        (("https://*",), "https://\x80", None),
        ((), "https://b.example", None),
    ],
)
def test_origins_are_compared_as_they_stand_or_by_what_they_begin_with(
    patterns: tuple[str, ...], origin: str, allowed: str | None
) -> None:
    configuration = CorsConfiguration(allow_origins=patterns)
    for told in (preflight(configuration, origin), headers(configuration, "GET", Origin=origin)):
        assert told.get("access-control-allow-origin") == allowed
        assert bool(told) == (allowed is not None)
