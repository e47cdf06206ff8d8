"""An OpenAPI body is read for its routes."""

from __future__ import annotations

import pytest

from local.deploying.openapi_routes import described_routes

URI = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Web.Arn}/invocations"


@pytest.mark.parametrize(
    ("path", "method", "key"),
    [
        ("/things/{id}", "get", "GET /things/{id}"),
        ("/files/{path+}", "x-amazon-apigateway-any-method", "ANY /files/{path+}"),
        ("/$default", "x-amazon-apigateway-any-method", "$default"),
    ],
)
@pytest.mark.parametrize(
    "uri", [{"Fn::Sub": URI}, {"Fn::Sub": ["${X}", {"X": {"Fn::GetAtt": ["Web", "Arn"]}}]}], ids=["sub", "getatt"]
)
def test_each_operation_is_a_route_to_its_function(path: str, method: str, key: str, uri: object) -> None:
    body = {"paths": {path: {method: {"x-amazon-apigateway-integration": {"uri": uri}, "responses": {}}}}}
    assert list(described_routes(body)) == [(key, "Web")]


def test_what_calls_no_function_is_no_route() -> None:
    body = {"paths": {"/": {"options": {"responses": {}}, "parameters": []}}}
    assert list(described_routes(body)) == []
