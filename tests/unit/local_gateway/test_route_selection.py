"""Route selection expressions, as section "Create routes for WebSocket APIs" of the Developer Guide has them."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.route_selection import RouteSelection

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("expression", "body", "key"),
    [
        ("$request.body.action", {"action": "go"}, "go"),
        ("${request.body.action}", {"action": "go"}, "go"),
        ("$request.body.a.b", {"a": {"b": "deep"}}, "deep"),
        ("$request.body.a.b", {"a": "flat"}, ""),
        ("$request.body.list[1].name", {"list": [0, {"name": "second"}]}, "second"),
        ("$request.body.list[7]", {"list": []}, ""),
        ("${request.body.a}/${request.body.b}", {"a": "x", "b": "y"}, "x/y"),
        ("${request.body.a}/${request.body.b}", {"a": "x"}, "x/"),
        ("v1-${request.body.a}", {"a": "x"}, "v1-x"),
        ("$request.body.action", {}, ""),
        ("$request.body.action", {"action": None}, ""),
        ("$request.body.action", {"action": 7}, "7"),
        ("$request.body.action", {"action": True}, "true"),
        ("$request.body.action", {"action": ["item1", "item2"]}, "[item1, item2]"),
        ("$request.body.action", [1, 2], ""),
        ("$request.body.action", "action", ""),
        (r"\$default", {"action": "go"}, "$default"),
    ],
)
def test_an_expression_gives_the_key_of_a_message(expression: str, body: object, key: str):
    assert RouteSelection(expression).key(orjson.dumps(body).decode()) == key


@pytest.mark.parametrize("message", ["", "{", "action", "{'action':'go'}", "[" * 5000, '{"action":"\ud800"}'])
def test_what_is_not_json_takes_the_default(message: str):
    assert RouteSelection("$request.body.action").key(message) == "$default"


@pytest.mark.parametrize("expression", ["$request.header.x", "$context.connectionId", "$", "${request.body}", "a$b"])
def test_an_expression_of_something_else_is_an_error(expression: str):
    with pytest.raises(ValueError, match="route selection expression"):
        RouteSelection(expression)


@pytest.mark.parametrize("key", ["$connect", "$disconnect", "$anything"])
def test_keys_of_api_gateways_own_are_not_selectable(key: str):
    routes = {key: "own", "$default": "default"}
    message = orjson.dumps({"action": key}).decode()
    assert RouteSelection("$request.body.action").select(routes, message) == "default"


def test_without_a_match_and_a_default_there_is_no_route():
    assert RouteSelection("$request.body.action").select({"go": 1}, '{"action":"stop"}') is None


@given(st.text())
def test_any_text_takes_some_route(message: str):
    assert RouteSelection("$request.body.action").select({"$default": "default"}, message) == "default"


@given(JSON)
def test_any_json_takes_some_route(body: object):
    for expression in ("$request.body.a", "${request.body.a[0]}/${request.body.b.c}"):
        assert RouteSelection(expression).select({"$default": "default"}, orjson.dumps(body).decode()) == "default"


@given(
    action=st.text().filter(lambda text: not text.startswith("$")), rest=st.dictionaries(st.text(), JSON, max_size=3)
)
def test_a_route_is_found_by_its_key_whatever_else_is_in_the_message(action: str, rest: dict[str, object]):
    message = orjson.dumps(rest | {"action": action}).decode()
    assert RouteSelection("$request.body.action").select({action: "mine", "$default": "default"}, message) == "mine"
