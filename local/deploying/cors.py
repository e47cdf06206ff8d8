"""CORS configurations of HTTP APIs, moved from the template to the deployed API.

The embedded CloudFormation stores the configuration of `AWS::ApiGatewayV2::Api` in a spelling that its own GetApi does
not return, and ignores the one that SAM writes into an API's OpenAPI body. The runtime therefore sets it by UpdateApi.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.deploying.output_values import DeferredValues, resolve

IMPLICIT_API: Final = "ServerlessHttpApi"
"""The API that SAM makes for events that name none."""

_LISTS = ("AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders")
_SCALARS = ("MaxAge", "AllowCredentials")
_NO_VALUE = {"Ref": "AWS::NoValue"}


def sam_cors(properties: Mapping[str, Any], template_globals: Mapping[str, Any]) -> Any:  # noqa: ANN401  # JSON
    """Return the configuration of an `AWS::Serverless::HttpApi` in the form of `AWS::ApiGatewayV2::Api`."""
    cors = properties.get("CorsConfiguration", template_globals.get("HttpApi", {}).get("CorsConfiguration"))
    if cors is True:
        return {"AllowOrigins": ["*"]}  # SAM's meaning of `true`
    if isinstance(cors, dict) and len(cors) == 1 and next(iter(cors)) not in (*_LISTS, *_SCALARS, "Fn::If"):
        return {"AllowOrigins": cors}  # an intrinsic function stands for the origins
    return cors


def defer_cors(cors: Any, deferred: DeferredValues, condition: str | None) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return a configuration whose values CloudFormation evaluates; lists become text with commas."""
    lists = {key: _joined(_member(cors, key)) for key in _LISTS}
    scalars = {key: _member(cors, key) for key in _SCALARS}
    given = {key: value for key, value in (lists | scalars).items() if value is not None}
    return {key: deferred.defer(value, condition) for key, value in given.items()}


def resolved_cors(cors: Mapping[str, Any], outputs: Mapping[str, str]) -> dict[str, Any]:
    """Return a deferred configuration in the form of UpdateApi; empty if conditions left out all of it."""
    values = {key: str(value) for key, value in resolve(cors, outputs).items() if value not in (None, "")}
    result: dict[str, Any] = {key: _split(values[key]) for key in _LISTS if key in values}
    if "MaxAge" in values:
        result["MaxAge"] = int(values["MaxAge"])
    if values.get("AllowCredentials", "").lower() == "true":
        result["AllowCredentials"] = True
    return result


def _member(cors: Any, key: str) -> Any:  # noqa: ANN401  # JSON
    """Return one member of a configuration; an `Fn::If` between two configurations becomes one between members."""
    if not isinstance(cors, dict) or cors == _NO_VALUE:
        return None
    if "Fn::If" not in cors:
        return cors.get(key)
    condition, *choices = cors["Fn::If"]
    members = [_member(choice, key) for choice in choices]
    if members == [None, None]:
        return None
    nothing: Any = [] if key in _LISTS else _NO_VALUE
    return {"Fn::If": [condition, *(nothing if each is None else each for each in members)]}


def _joined(values: Any) -> Any:  # noqa: ANN401  # JSON
    if values is None or isinstance(values, str):
        return values
    if isinstance(values, list) and all(isinstance(each, str) for each in values):
        return ",".join(values)
    return {"Fn::Join": [",", values]}


def _split(values: str) -> list[str]:
    return [each.strip() for each in values.split(",") if each.strip()]
