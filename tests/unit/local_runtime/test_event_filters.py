"""Filter patterns select records as EventBridge's do."""

from __future__ import annotations

import base64
import json

import pytest

from local.sources.filters import EventFilters

RECORD = {
    "eventName": "INSERT",
    "body": '{"kind": "order", "total": 12, "paid": true, "tags": ["a", "b"]}',
    "dynamodb": {"NewImage": {"id": {"S": "tenant/1"}}},
}


def matches(*patterns: object) -> bool:
    return EventFilters([json.dumps(pattern) for pattern in patterns]).match(RECORD)


def test_without_filters_everything_passes() -> None:
    assert matches()


def test_any_of_several_filters_is_enough() -> None:
    assert matches({"eventName": ["REMOVE"]}, {"eventName": ["INSERT"]})


@pytest.mark.parametrize(
    "pattern",
    [
        {"eventName": ["INSERT", "MODIFY"]},
        {"dynamodb": {"NewImage": {"id": {"S": [{"prefix": "tenant/"}]}}}},
        {"dynamodb": {"NewImage": {"id": {"S": [{"suffix": "/1"}]}}}},
        {"eventName": [{"anything-but": ["REMOVE"]}]},
        {"eventName": [{"anything-but": {"prefix": "REM"}}]},
        {"eventName": [{"equals-ignore-case": "insert"}]},
        {"absent": [{"exists": False}]},
        {"eventName": [{"exists": True}]},
        {"body": {"kind": ["order"], "total": [{"numeric": [">", 10, "<=", 12]}]}},
        {"body": {"tags": ["b"]}},
        {"body": {"paid": [True]}},
        {"$or": [{"eventName": ["REMOVE"]}, {"body": {"kind": ["order"]}}]},
    ],
)
def test_these_match(pattern: object) -> None:
    assert matches(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        {"eventName": ["REMOVE"]},
        {"eventName": ["INSERT"], "body": {"kind": ["invoice"]}},
        {"absent": ["x"]},
        {"absent": {"deeper": ["x"]}},
        {"eventName": [{"exists": False}]},
        {"body": {"total": [{"numeric": [">", 12]}]}},
        {"body": {"kind": [{"numeric": ["=", 1]}]}},
        {"body": {"paid": [1]}},
        {"eventName": [{"prefix": "REM"}]},
        {"eventName": [{"unknown": "rule"}]},
    ],
)
def test_these_do_not(pattern: object) -> None:
    assert not matches(pattern)


def test_a_body_that_is_not_json_matches_no_pattern_of_its_members() -> None:
    assert not EventFilters(['{"body": {"kind": ["order"]}}']).match({"body": "order"})


@pytest.mark.parametrize(("kind", "passes"), [("order", True), ("invoice", False)])
def test_a_pattern_sees_the_data_of_a_kinesis_record(kind: str, passes: bool) -> None:
    data = base64.b64encode(json.dumps({"kind": kind}).encode()).decode()
    filters = EventFilters([json.dumps({"data": {"kind": ["order"]}, "partitionKey": ["a"]})])
    assert filters.match({"kinesis": {"partitionKey": "a", "data": data}}) is passes
