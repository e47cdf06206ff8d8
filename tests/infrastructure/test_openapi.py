"""docs/openapi.yaml: a valid document of the routes, codes and statuses that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from push.computes import Tenant
from push.durable.requests import Deliver, RequestRecord, RequestStatus
from push.durable.webhook_messages import render_message, without_data
from push.errors import ErrorCode, PushasideError
from push.keys import Key
from push.protocol.frames import CacheState, render_error, render_result
from push.protocol.problems import STATUSES, render_problem
from tests.builders.results import NOW_MS, make_result
from tests.documentation.asyncapi import SERVERS, fitting

METHODS = {"get", "put", "post", "delete", "patch"}
GATEWAYS_OWN = {429, 500}

Document = dict[str, Any]

KEY = Key(Tenant("acme"), "documents", 1, "5f" * 16)


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


def schema(document: Document, name: str) -> Draft202012Validator:
    whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("retry_after_ms", [None, 1500])
def test_problems_of_every_code_fit(document: Document, retry_after_ms: int | None) -> None:
    for code in ErrorCode:
        problem = json.loads(render_problem(PushasideError(code=code, retry_after_ms=retry_after_ms)))
        schema(document, "Problem").validate(problem)
        assert problem.keys() <= document["components"]["schemas"]["Problem"]["properties"].keys()


ANSWERS = {
    RequestStatus.DONE: render_result("r1", KEY, make_result(b"[1]"), CacheState.MISS, NOW_MS),
    RequestStatus.FAILED: render_error("r1", PushasideError(code=ErrorCode.TIMEOUT)),
}


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("link", ["", "https://example.com/payloads/1?X-Amz-Signature=7d3e"])
def test_webhooks_fit_and_carry_a_message_of_the_socket(document: Document, status: RequestStatus, link: str) -> None:
    record = RequestRecord(
        Tenant("acme"),
        "r1",
        status,
        "documents",
        "f",
        Deliver(poll=True),
        NOW_MS,
        NOW_MS,
        NOW_MS,
        ANSWERS[status].encode(),
    )
    if link and status is RequestStatus.DONE:
        record, _ = without_data(record)
    message = json.loads(render_message(record, link if status is RequestStatus.DONE else ""))
    schema(document, "WebhookMessage").validate(message)
    assert fitting(message["data"], SERVERS) == ["result" if status is RequestStatus.DONE else "error"]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for each in part:
            yield from references(each)
    elif isinstance(part, dict):
        yield from (part[name] for name in part.keys() & {"$ref"})
        for each in part.values():
            yield from references(each)


def test_nothing_is_defined_that_no_route_or_webhook_leads_to(document: Document) -> None:
    reached: set[str] = set()
    waiting = [*references(document["paths"]), *references(document["webhooks"])]
    while waiting:
        reference = waiting.pop()
        if reference not in reached:
            reached.add(reference)
            waiting += references(resolved(document, {"$ref": reference}))
    kinds = document["components"].keys() - {"securitySchemes"}
    defined = {f"#/components/{kind}/{name}" for kind in kinds for name in document["components"][kind]}
    assert defined - reached == set()


def test_every_kind_of_credential_is_asked_for_somewhere(document: Document) -> None:
    asked = {name for each in document.get("security", []) for name in each} | {
        name for _, operation in operations(document) for each in operation.get("security", []) for name in each
    }
    assert asked == document["components"]["securitySchemes"].keys()
