"""Throttling of routes, moved from the template to the deployed stages.

The embedded CloudFormation stores a stage's settings in a spelling that its own GetStages does not return. The runtime
therefore sets them by UpdateStage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from local.deploying.output_values import DeferredValues, resolve

_WITH_STAGES: Final = ("AWS::Serverless::WebSocketApi", "AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Stage")
_MEMBERS = {"ThrottlingRateLimit": float, "ThrottlingBurstLimit": int}


def defer_throttles(body: Mapping[str, Any], deferred: DeferredValues) -> list[dict[str, Any]]:
    """Return the deferred settings of each stage that has some, with its API's id."""
    defaults = body.get("Globals", {})
    declared = [
        (logical_id, resource, _settings(_sam_globals(resource, defaults) | resource.get("Properties", {})))
        for logical_id, resource in body["Resources"].items()
        if resource["Type"] in _WITH_STAGES
    ]
    return [
        deferred.defer({"ApiId": _api_id(logical_id, resource), **settings}, resource.get("Condition"))
        for logical_id, resource, settings in declared
        if settings
    ]


def resolved_throttles(deferred: list[dict[str, Any]], outputs: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the deferred settings of stages in the form of UpdateStage, without the stage's name."""
    for stage in resolve(deferred, outputs):
        if stage["ApiId"] is None:
            continue  # a condition of the template left it out
        routes = {key: _limits(settings) for key, settings in stage.get("RouteSettings", {}).items()}
        yield {
            "ApiId": stage["ApiId"],
            "DefaultRouteSettings": _limits(stage.get("DefaultRouteSettings", {})),
            "RouteSettings": {key: limits for key, limits in routes.items() if limits},
        }


def _api_id(logical_id: str, resource: Mapping[str, Any]) -> Any:  # noqa: ANN401  # JSON
    if resource["Type"] == "AWS::ApiGatewayV2::Stage":
        return resource["Properties"]["ApiId"]
    return {"Ref": logical_id}


def _sam_globals(resource: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    _, service, kind = resource["Type"].split("::")
    return dict(defaults.get(kind, {})) if service == "Serverless" else {}


def _settings(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of requests; the runtime ignores a stage's other settings."""
    result: dict[str, Any] = {}
    if default := _throttling(properties.get("DefaultRouteSettings")):
        result["DefaultRouteSettings"] = default
    of_routes = properties.get("RouteSettings")
    routes = {key: _throttling(each) for key, each in (of_routes if isinstance(of_routes, dict) else {}).items()}
    if any(routes.values()):
        result["RouteSettings"] = {key: each for key, each in routes.items() if each}
    return result


def _throttling(settings: object) -> dict[str, Any]:
    return {key: settings[key] for key in _MEMBERS if key in settings} if isinstance(settings, dict) else {}


def _limits(settings: Mapping[str, Any]) -> dict[str, float]:
    given = {key: value for key, value in settings.items() if value is not None}
    return {key: _MEMBERS[key](float(value)) for key, value in given.items()}
