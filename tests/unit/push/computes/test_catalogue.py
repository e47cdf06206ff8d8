"""The catalogue: what clients and tools read about the computes on offer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from push import compute
from push.computes import Computed, Registry
from push.computes.catalogue import describe_all, result_schema_of, schema_of


class Line(msgspec.Struct):
    """One line."""

    item: str
    count: int = 1


class Node(msgspec.Struct):
    children: list[Node] = []


@compute(ttl=5.0, scope="shared", authorize=lambda caller: True)
async def orders(customer: str, lines: list[Line] | None = None) -> None:
    """Orders of a customer."""


@compute
async def tree(params: Node) -> None:
    """Take params that contain themselves."""


def test_it_lists_computes_by_name_with_all_about_them() -> None:
    described = describe_all(Registry([tree, orders]))["computes"]
    assert [each["name"] for each in described] == ["orders", "tree"]
    schema = described[0].pop("params")
    assert described[0] == {
        "name": "orders",
        "version": 1,
        "doc": "Orders of a customer.",
        "result_schema": {"type": "null"},
        "scope": "shared",
        "is_guarded": True,
        "ttl_seconds": 5.0,
        "stale_ttl_seconds": 0.0,
        "failure_ttl_seconds": 2.0,
        "timeout_seconds": 20.0,
    }
    assert schema["required"] == ["customer"]


def test_a_schema_stands_alone() -> None:
    schema = schema_of(orders)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate({"customer": "ann", "lines": [{"item": "lamp"}]})
    assert not Draft202012Validator(schema).is_valid({"customer": "ann", "lines": [{"count": 1}]})
    assert not Draft202012Validator(schema).is_valid({"custmer": "ann"})


def test_a_schema_may_refer_to_itself() -> None:
    schema = schema_of(tree)
    assert Draft202012Validator(schema).is_valid({"children": [{"children": []}]})
    assert not Draft202012Validator(schema).is_valid({"children": [{"children": 1}]})


def test_the_return_annotation_is_the_schema_of_results() -> None:
    @compute
    async def lines(customer: str) -> dict[str, list[Line]]:
        return {}

    schema = result_schema_of(lines)
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"ann": [{"item": "lamp", "count": 2}]})
    assert not Draft202012Validator(schema).is_valid({"ann": [{"count": 2}]})


@pytest.mark.parametrize("annotation", [Any, object, msgspec.Raw, Computed, Computed | None, Registry, "Absent"])
def test_a_return_annotation_that_describes_no_json_gives_no_schema(annotation: object) -> None:
    async def made() -> None: ...

    made.__annotations__["return"] = annotation
    assert "result_schema" not in describe_all(Registry([compute(made)]))["computes"][0]


def test_a_function_without_a_return_annotation_has_no_schema_of_results() -> None:
    @compute
    async def bare(customer: str):
        return customer

    assert result_schema_of(bare) is None
