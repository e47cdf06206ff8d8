"""Deploys a function and a WebSocket API to MiniStack."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

SESSION = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")


def deploy(endpoint: str, variables: Mapping[str, str]) -> str:
    """Return the id of an API with a stage `v1` whose messages go to the function."""
    function = SESSION.client("lambda", endpoint_url=endpoint).create_function(
        FunctionName="benchmark",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/benchmark",
        Handler="app.handler",
        Code={"ZipFile": _archive()},
        Environment={"Variables": dict(variables)},
    )
    apis: Any = SESSION.client("apigatewayv2", endpoint_url=endpoint)
    api: str = apis.create_api(
        Name="benchmark", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function['FunctionArn']}/invocations"
    integration = apis.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=uri)
    for route in ("$connect", "$disconnect", "request"):
        made = apis.create_route(
            ApiId=api,
            RouteKey=route,
            Target=f"integrations/{integration['IntegrationId']}",
            RouteResponseSelectionExpression="$default",
        )
        apis.create_route_response(ApiId=api, RouteId=made["RouteId"], RouteResponseKey="$default")
    apis.create_stage(ApiId=api, StageName="v1", AutoDeploy=True)
    return api


def _archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(Path(__file__).with_name("app.py"), "app.py")
    return packed.getvalue()
