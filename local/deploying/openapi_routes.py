"""Routes of HTTP APIs that a template describes by an OpenAPI body.

SAM turns a function's `HttpApi` events into such a body (`AWS::ApiGatewayV2::Api`, property `Body`), which the
embedded CloudFormation accepts and ignores. The runtime therefore creates the routes by API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.deploying.aws_clients import AwsClients
from local.embedded.aws_process import ACCOUNT_ID, REGION

_INTEGRATION = "x-amazon-apigateway-integration"
_ANY_METHOD = "x-amazon-apigateway-any-method"
_FUNCTION_ARN = re.compile(r"\$\{(\w+)\.Arn\}|\"Fn::GetAtt\": \[\"(\w+)\", \"Arn\"\]")


def create_routes(template: Mapping[str, Any], resources: Mapping[str, str], clients: AwsClients) -> None:
    """Create the described routes of every HTTP API in the processed `template` that has no routes yet.

    `resources` maps logical ids to physical ids.
    """
    apis = clients.client("apigatewayv2")
    for logical_id, resource in template["Resources"].items():
        body = resource.get("Properties", {}).get("Body")
        if resource["Type"] != "AWS::ApiGatewayV2::Api" or not body or logical_id not in resources:
            continue
        api_id = resources[logical_id]
        if apis.get_routes(ApiId=api_id)["Items"]:
            continue
        for route_key, function in described_routes(body):
            _create_route(apis, api_id, route_key, resources[function])


def described_routes(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and the function's logical id of each route."""
    for path, methods in body.get("paths", {}).items():
        for method, operation in methods.items():
            function = _function(operation.get(_INTEGRATION, {}).get("uri")) if isinstance(operation, dict) else None
            if function is not None:
                yield _route_key(path, method), function


def _route_key(path: str, method: str) -> str:
    if path == "/$default":
        return "$default"
    return f"{'ANY' if method == _ANY_METHOD else method.upper()} {path}"


def _function(uri: object) -> str | None:
    match = _FUNCTION_ARN.search(json.dumps(uri))
    return (match[1] or match[2]) if match else None


def _create_route(apis: Any, api_id: str, route_key: str, function: str) -> None:  # noqa: ANN401  # a boto3 client
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{function}"
    integration = apis.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
        PayloadFormatVersion="2.0",
    )
    apis.create_route(ApiId=api_id, RouteKey=route_key, Target=f"integrations/{integration['IntegrationId']}")
