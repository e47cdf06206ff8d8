"""docs/openapi.yaml: a valid document of the routes, codes and statuses that there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from push.errors import ErrorCode
from push.problems import STATUSES

METHODS = {"get", "put", "post", "delete", "patch"}
GATEWAYS_OWN = {429, 500}

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(root: Path) -> Document:
    return yaml.safe_load((root / "docs/openapi.yaml").read_text())


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, item in document["paths"].items():
        yield from ((f"{method.upper()} {path}", item[method]) for method in item.keys() & METHODS)


def resolved(document: Document, part: Document) -> Document:
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def test_it_is_openapi_3_1(document: Document) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_it_has_the_routes_of_the_template_and_no_others(document: Document, template: Document) -> None:
    routes = {
        each["Properties"]["RouteKey"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::ApiGatewayV2::Route" and each["Properties"]["ApiId"] == {"Ref": "HttpApi"}
    }
    assert dict(operations(document)).keys() == routes


def test_it_has_the_error_codes_that_there_are(document: Document) -> None:
    assert set(document["components"]["schemas"]["ErrorCode"]["enum"]) == {code.value for code in ErrorCode}


def test_every_error_is_a_problem_document_of_a_status_that_errors_have(document: Document) -> None:
    statuses = {status.value for status in STATUSES.values()} | {415}
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                content = resolved(document, response)["content"]
                is_gateways = int(status) in GATEWAYS_OWN
                assert is_gateways or int(status) in statuses, (name, status)
                assert ("application/json" if is_gateways else "application/problem+json") in content, (name, status)


def test_every_operation_but_health_says_what_happens_without_a_token(document: Document) -> None:
    assert [name for name, each in operations(document) if "401" not in each["responses"]] == ["GET /healthz"]


def with_examples(document: Document, part: Any) -> Iterator[tuple[Any, Any]]:
    """Every schema that has examples beside it, with each."""
    if isinstance(part, list):
        for each in part:
            yield from with_examples(document, each)
    elif isinstance(part, dict):
        if "schema" in part:
            named = [each["value"] for each in part.get("examples", {}).values()]
            examples = [part["example"]] if "example" in part else named
            yield from ((part["schema"], example) for example in examples)
        for each in part.values():
            yield from with_examples(document, each)


def test_its_examples_fit_their_schemas(document: Document) -> None:
    pairs = list(with_examples(document, document))
    assert len(pairs) > 10
    for schema, example in pairs:
        # Where references within the document lead to.
        Draft202012Validator({"allOf": [schema], "components": document["components"]}).validate(example)
