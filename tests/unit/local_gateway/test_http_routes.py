"""Which route of an HTTP API a request takes."""

from __future__ import annotations

import pytest

from local.gateway.api import FunctionIntegration, HttpRoute
from local.gateway.http_routes import HttpRoutes

KEYS = (
    "$default",
    "ANY /{proxy+}",
    "GET /pets/{proxy+}",
    "GET /pets/{id}",
    "ANY /pets/{id}",
    "GET /pets/dog",
    "GET /pets/dog/{part}/tail",
    "POST /a.b",
)


def routes(*keys: str) -> HttpRoutes:
    return HttpRoutes(HttpRoute(key, FunctionIntegration("f")) for key in keys)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog", "GET /pets/dog", {}),
        ("GET", "/pets/cat", "GET /pets/{id}", {"id": "cat"}),
        ("PUT", "/pets/cat", "ANY /pets/{id}", {"id": "cat"}),
        ("GET", "/pets/a/b", "GET /pets/{proxy+}", {"proxy": "a/b"}),
        ("PUT", "/pets/a/b", "ANY /{proxy+}", {"proxy": "pets/a/b"}),
        ("GET", "/pets/dog/ear/tail", "GET /pets/dog/{part}/tail", {"part": "ear"}),
        ("POST", "/a.b", "POST /a.b", {}),
        ("POST", "/axb", "ANY /{proxy+}", {"proxy": "axb"}),
        ("GET", "/", "$default", {}),
        ("GET", "/pets/", "ANY /{proxy+}", {"proxy": "pets/"}),
    ],
)
def test_the_most_specific_route_wins_whatever_their_order(method: str, path: str, key: str, parameters: dict):
    for order in (KEYS, KEYS[::-1]):
        match = routes(*order).match(method, path)
        assert match is not None
        assert (match.route.key, match.path_parameters) == (key, parameters)


def test_without_a_match_and_a_default_there_is_none():
    assert routes("GET /x").match("POST", "/x") is None
    assert routes("GET /x").match("GET", "/x/") is None
    assert routes().match("GET", "/") is None


@pytest.mark.parametrize("key", ["GET", "GET x", "/x", "$connect"])
def test_a_malformed_key_is_an_error(key: str):
    with pytest.raises(ValueError, match="route key"):
        routes(key)
