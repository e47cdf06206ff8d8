"""The OpenAPI description of an application: what it takes over, and what it says of each compute."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.application.openapi import read_base, render_json, render_yaml, with_computes

LINE = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}
ORDERS = {
    "name": "customer_orders",
    "doc": "Orders of a customer.\n\nThe newest is first.",
    "params": {
        "type": "object",
        "properties": {"customer": {"type": "string"}},
        "required": ["customer"],
        "additionalProperties": False,
    },
    "result_schema": {"type": "array", "items": {"$ref": "#/$defs/Line[str]"}, "$defs": {"Line[str]": LINE}},
}
TOTALS = {"name": "totals", "doc": "", "params": {"type": "object", "properties": {"top": {"type": "integer"}}}}


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    return read_base()


@pytest.fixture(scope="module")
def document(base: dict[str, Any]) -> dict[str, Any]:
    return with_computes(base, [TOTALS, ORDERS])


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_each_compute_has_a_path_where_the_path_for_any_was(base: dict[str, Any], document: dict[str, Any]) -> None:
    expected = list(base["paths"])
    at = expected.index("/results/{compute}")
    expected[at : at + 1] = ["/results/customer_orders", "/results/totals"]
    assert list(document["paths"]) == expected


def test_an_operation_has_the_computes_name_and_description(document: dict[str, Any]) -> None:
    operation = document["paths"]["/results/customer_orders"]["get"]
    assert operation["operationId"] == "readCustomerOrders"
    assert operation["summary"] == "Orders of a customer."
    assert operation["description"].startswith("The newest is first.\n\nReturns the data alone")
    assert document["paths"]["/results/totals"]["get"]["summary"] == "Return a result of totals, or start its compute"


def test_params_are_required_if_one_of_them_is(document: dict[str, Any]) -> None:
    def params_of(name: str) -> dict[str, Any]:
        (found,) = (
            each for each in document["paths"][f"/results/{name}"]["get"]["parameters"] if each["name"] == "params"
        )
        return found

    assert params_of("customer_orders")["required"] is True
    assert params_of("totals")["required"] is False
    assert params_of("totals")["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/totals.params"}
    }


def test_definitions_of_a_schema_are_components_and_its_references_follow(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["customer_orders.result"]["items"] == {
        "$ref": "#/components/schemas/customer_orders.result.Line_str_"
    }
    assert schemas["customer_orders.result.Line_str_"] == LINE
    success = document["paths"]["/results/customer_orders"]["get"]["responses"]["200"]
    validator = Draft202012Validator({**success["content"]["application/json"]["schema"], **document})
    assert validator.is_valid([{"item": "desk"}])
    assert not validator.is_valid([{}])


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        ({"compute": "customer_orders", "params": {"customer": "ada"}}, True),
        ({"compute": "totals"}, True),
        ({"compute": "totals", "params": {"top": 3}}, True),
        ({"compute": "customer_orders"}, False),
        ({"compute": "customer_orders", "params": {"customer": 1}}, False),
        ({"compute": "weather", "params": {}}, False),
        ({}, False),
    ],
)
def test_a_durable_request_is_for_a_compute_with_its_params(
    document: dict[str, Any], body: dict[str, Any], is_valid: bool
) -> None:
    validator = Draft202012Validator({"$ref": "#/components/schemas/NewRequest", **document})
    assert validator.is_valid({**body, "deliver": {"poll": True}}) is is_valid


def test_no_example_is_of_another_application(document: dict[str, Any]) -> None:
    assert "leaderboard" not in json.dumps(document)


def test_the_description_of_the_api_stays_as_it_is(base: dict[str, Any]) -> None:
    before = copy.deepcopy(base)
    with_computes(base, [ORDERS])
    assert base == before


def test_both_forms_say_the_same(document: dict[str, Any]) -> None:
    written = render_yaml(document)
    assert yaml.safe_load(written) == document == json.loads(render_json(document))
    assert "&id" not in written


@given(st.sets(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), min_size=1, max_size=8))
def test_operation_ids_are_distinct_whatever_the_names(names: set[str]) -> None:
    paths = {"/results/{compute}": read_small()}
    base = {
        "paths": paths,
        "components": {
            "schemas": {"NewRequest": {"required": ["compute"], "properties": {"compute": {}, "params": {}}}}
        },
    }
    made = with_computes(base, [{"name": name, "params": {"type": "object"}} for name in names])
    assert len({item["get"]["operationId"] for item in made["paths"].values()}) == len(names)


def read_small() -> dict[str, Any]:
    responses = {"200": {"content": {"application/json": {}}}}
    return {"get": {"parameters": [], "description": "", "responses": responses}}
