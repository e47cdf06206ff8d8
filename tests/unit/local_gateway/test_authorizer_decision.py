"""What an authorizer's answer means: identity, policy, context."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions.invocation import Invocation, Outcome
from local.gateway.authorizer_decision import (
    FORBIDDEN,
    MISCONFIGURED,
    UNAUTHORIZED,
    Allowed,
    decide,
    has_identity,
    matches,
)

ARN = "arn:aws:execute-api:us-east-1:000000000000:abc123/v1/$connect"


def statement(effect: str = "Allow", **changes: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": ARN} | changes


def answer(*statements: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"principalId": "user", "policyDocument": {"Statement": list(statements)}} | changes


def decided(value: object):
    return decide(Invocation(Outcome.RETURNED, orjson.dumps(value)), ARN)


def test_an_allow_lets_in():
    assert decided(answer(statement())) == Allowed("user", {})


def test_the_context_becomes_strings():
    context = {"text": "x", "number": 1, "ratio": 1.5, "flag": False}
    assert decided(answer(statement(), context=context)) == Allowed(
        "user", {"text": "x", "number": "1", "ratio": "1.5", "flag": "false"}
    )


@pytest.mark.parametrize(
    "resource",
    [
        "*",
        "arn:aws:execute-api:*",
        "arn:aws:execute-api:us-east-1:000000000000:abc123/*",
        "arn:aws:execute-api:us-east-1:000000000000:abc123/v1/$conn???",
        ["arn:aws:s3:::bucket", ARN],
    ],
)
def test_resources_may_be_wildcards_and_lists(resource: object):
    assert isinstance(decided(answer(statement(Resource=resource))), Allowed)


@pytest.mark.parametrize("action", ["execute-api:Invoke", "EXECUTE-API:invoke", "execute-api:*", "*", ["s3:Get*", "*"]])
def test_actions_may_be_wildcards_and_ignore_case(action: object):
    assert isinstance(decided(answer(statement(Action=action))), Allowed)


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [statement("Deny")],
        [statement(), statement("Deny")],
        [statement(Resource="*"), statement("Deny", Resource="*/$connect")],
        [statement(Resource=ARN.replace("$connect", "$default"))],
        [statement(Resource=ARN.upper())],
        [statement(Resource="arn:aws:execute-api:us-east-1:000000000000:abc123/v1/GET/connect")],
        [statement(Action="execute-api:ManageConnections")],
        [statement("allow")],
        [statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})],
        [statement(), statement("Deny", Condition={"Bool": {"aws:SecureTransport": "false"}})],
    ],
)
def test_a_deny_or_no_matching_allow_refuses(statements: list[dict[str, Any]]):
    assert decided(answer(*statements)) == FORBIDDEN


def test_the_negated_elements_are_understood():
    without = {key: value for key, value in statement().items() if key != "Resource"}
    assert isinstance(decided(answer(without | {"NotResource": "arn:aws:s3:::*"})), Allowed)
    assert decided(answer(without | {"NotResource": "arn:aws:execute-api:*"})) == FORBIDDEN


def test_one_statement_need_not_be_in_a_list():
    assert isinstance(decided(answer(policyDocument={"Statement": statement()})), Allowed)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "Unauthorized",
        {"statusCode": 401},
        {"policyDocument": {"Statement": [statement()]}},
        {"principalId": "user"},
        answer(policyDocument="no"),
        answer(policyDocument={"Statement": "no"}),
        answer({"Effect": "Allow", "Action": "*"}),
        answer(statement(Resource=5)),
        answer(statement(), context={"nested": {}}),
        answer(statement(), context={"list": []}),
        answer(statement(), context={"nothing": None}),
        answer(statement(), context=["x"]),
        answer(statement(), context={"large": "x" * 8192}),
    ],
)
def test_a_malformed_answer_is_a_configuration_error(value: object):
    assert decided(value) == MISCONFIGURED


@pytest.mark.parametrize(
    ("invocation", "decision"),
    [
        (Invocation(Outcome.RAISED, b'{"errorMessage":"Unauthorized","errorType":"Exception"}'), UNAUTHORIZED),
        (Invocation(Outcome.RAISED, b'{"errorMessage":"unauthorized"}'), MISCONFIGURED),
        (Invocation(Outcome.RAISED, b'{"errorMessage":"Unauthorized."}'), MISCONFIGURED),
        (Invocation(Outcome.RAISED, b"not json"), MISCONFIGURED),
        (Invocation(Outcome.RAISED, b"[]"), MISCONFIGURED),
        (Invocation(Outcome.TIMED_OUT, b'{"errorMessage":"Unauthorized"}'), MISCONFIGURED),
        (Invocation(Outcome.THROTTLED, b"{}"), MISCONFIGURED),
        (Invocation(Outcome.RETURNED, b"not json"), MISCONFIGURED),
    ],
)
def test_only_the_word_unauthorized_is_a_401(invocation: Invocation, decision: object):
    assert decide(invocation, ARN) == decision


@pytest.mark.parametrize(
    ("headers", "query", "there"),
    [
        ({"x-key": "1"}, {"token": "t"}, True),
        ({"x-key": "1"}, {}, False),
        ({}, {"token": "t"}, False),
        ({"x-key": ""}, {"token": "t"}, False),
        ({"x-key": "1"}, {"Token": "t"}, False),
    ],
)
def test_every_identity_source_must_be_there(headers: dict[str, str], query: dict[str, str], there: bool):
    sources = ("route.request.header.X-Key", "route.request.querystring.token", "stageVariables.x")
    assert has_identity(sources, headers, query) is there


def test_without_identity_sources_everybody_is_asked_about():
    assert has_identity((), {}, {})


@given(st.text("ab*?/", max_size=12), st.text("ab/", max_size=12))
def test_wildcards_match_as_the_regular_expression_they_stand_for(pattern: str, text: str):
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    assert matches(pattern, text) == (re.fullmatch(expression, text, re.DOTALL) is not None)


@given(
    JSON := st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(0, 9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["principalId", "policyDocument", "Statement", "Effect", "Action", "Resource", "context"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_no_answer_makes_the_gateway_fail_or_open_by_accident(value: object):
    assert decided(value) in (FORBIDDEN, MISCONFIGURED)
