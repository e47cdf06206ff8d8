"""The descriptions of the APIs of API Gateway, as its API returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.deploying.function_arns import function_in
from local.errors import CannotStartError
from local.gateway.api import (
    Authorizer,
    CorsConfiguration,
    FunctionIntegration,
    HttpApi,
    HttpRoute,
    Integration,
    MockIntegration,
    Throttle,
    WebSocketApi,
    WebSocketRoute,
)

_WEBSOCKET_TIMEOUT_SECONDS = 29.0  # "Quotas for configuring and running a WebSocket API in API Gateway"
_ACCOUNT_THROTTLE = Throttle(10_000.0, 5000)  # same page: the default of a limit that a route does not set


def read_websocket_api(apis: Any, api: Mapping[str, Any]) -> WebSocketApi:  # noqa: ANN401  # a boto3 client
    """Return the description of a WebSocket API; raise CannotStartError for a part that is not supported."""
    api_id = api["ApiId"]
    stages = apis.get_stages(ApiId=api_id)["Items"]
    if not stages:
        raise CannotStartError(f"The WebSocket API {api['Name']} has no stage.")
    integrations = {each["IntegrationId"]: each for each in apis.get_integrations(ApiId=api_id)["Items"]}
    authorizers = {each["AuthorizerId"]: each for each in apis.get_authorizers(ApiId=api_id)["Items"]}
    routes = [
        _read_websocket_route(apis, api_id, route, integrations, authorizers, _read_throttle(stages[0], route))
        for route in apis.get_routes(ApiId=api_id)["Items"]
    ]
    return WebSocketApi(
        api_id=api_id,
        stage=stages[0]["StageName"],
        selection_expression=api["RouteSelectionExpression"],
        routes={route.key: route for route in routes},
        stage_variables=stages[0].get("StageVariables", {}),
    )


def _read_websocket_route(
    apis: Any,  # noqa: ANN401  # a boto3 client
    api_id: str,
    route: Mapping[str, Any],
    integrations: Mapping[str, Mapping[str, Any]],
    authorizers: Mapping[str, Mapping[str, Any]],
    throttle: Throttle | None,
) -> WebSocketRoute:
    responses = apis.get_route_responses(ApiId=api_id, RouteId=route["RouteId"])["Items"]
    integration = integrations[route["Target"].rpartition("/")[2]]
    authorizer = authorizers.get(route.get("AuthorizerId", ""))
    return WebSocketRoute(
        key=route["RouteKey"],
        integration=_read_integration(apis, api_id, route["RouteKey"], integration),
        has_response=(
            route.get("RouteResponseSelectionExpression") == "$default"
            and any(response["RouteResponseKey"] == "$default" for response in responses)
        ),
        authorizer=_read_authorizer(authorizer) if authorizer else None,
        throttle=throttle,
    )


def _read_throttle(stage: Mapping[str, Any], route: Mapping[str, Any]) -> Throttle | None:
    """Return a route's own limits, or those of its stage."""
    of_route = stage.get("RouteSettings", {}).get(route["RouteKey"], {})
    settings = stage.get("DefaultRouteSettings", {}) | of_route
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    if rate is None and burst is None:
        return None
    return Throttle(
        _ACCOUNT_THROTTLE.rate_per_second if rate is None else rate,
        _ACCOUNT_THROTTLE.burst if burst is None else burst,
    )


def _read_integration(
    apis: Any,  # noqa: ANN401  # a boto3 client
    api_id: str,
    route_key: str,
    integration: Mapping[str, Any],
) -> Integration:
    match integration["IntegrationType"]:
        case "AWS_PROXY":
            seconds = integration.get("TimeoutInMillis", 29_000) / 1000
            return FunctionIntegration(
                function_in(integration["IntegrationUri"]), min(seconds, _WEBSOCKET_TIMEOUT_SECONDS)
            )
        case "MOCK":
            responses = apis.get_integration_responses(ApiId=api_id, IntegrationId=integration["IntegrationId"])
            return MockIntegration(_response_template(responses["Items"]))
        case other:
            raise CannotStartError(
                f"The route {route_key} has an integration of type {other}, which the runtime does not support."
            )


def _response_template(responses: list[Mapping[str, Any]]) -> str | None:
    """Return the template of the response that a MOCK selects by status 200 or by the default key."""
    for key in ("/200/", "200", "$default"):
        for response in responses:
            if response["IntegrationResponseKey"] == key:
                templates: Mapping[str, str] = response.get("ResponseTemplates", {})
                return templates.get("$default") or next(iter(templates.values()), None)
    return None


def _read_authorizer(authorizer: Mapping[str, Any]) -> Authorizer:
    return Authorizer(function_in(authorizer["AuthorizerUri"]), tuple(authorizer.get("IdentitySource", ())))


def read_http_api(apis: Any, api: Mapping[str, Any]) -> HttpApi:  # noqa: ANN401  # a boto3 client
    """Return the description of an HTTP API; raise CannotStartError for a part that is not supported."""
    api_id = api["ApiId"]
    integrations = {each["IntegrationId"]: each for each in apis.get_integrations(ApiId=api_id)["Items"]}
    stages = apis.get_stages(ApiId=api_id)["Items"]
    routes = []
    for route in apis.get_routes(ApiId=api_id)["Items"]:
        integration = integrations[route["Target"].rpartition("/")[2]]
        if integration["IntegrationType"] != "AWS_PROXY":
            raise CannotStartError(f"The route {route['RouteKey']} of the HTTP API does not call a function.")
        function = function_in(integration["IntegrationUri"])
        throttle = _read_throttle(stages[0], route) if stages else None
        routes.append(HttpRoute(route["RouteKey"], FunctionIntegration(function, timeout_seconds=30.0), throttle))
    return HttpApi(
        api_id=api_id,
        stage=stages[0]["StageName"] if stages else "$default",
        routes=tuple(routes),
        stage_variables=stages[0].get("StageVariables", {}) if stages else {},
        cors=_read_cors(api.get("CorsConfiguration")),
    )


def _read_cors(cors: Mapping[str, Any] | None) -> CorsConfiguration | None:
    if not cors:
        return None
    if cors.get("AllowCredentials") and "*" in cors.get("AllowOrigins", ()):
        # API Gateway's own words when it refuses such an API.
        raise CannotStartError("allow-credentials is not supported if 'allow-origin' is *: name the origins.")
    return CorsConfiguration(
        allow_origins=tuple(cors.get("AllowOrigins", ())),
        allow_methods=tuple(cors.get("AllowMethods", ())),
        allow_headers=tuple(cors.get("AllowHeaders", ())),
        expose_headers=tuple(cors.get("ExposeHeaders", ())),
        max_age_seconds=cors.get("MaxAge"),
        allow_credentials=cors.get("AllowCredentials", False),
    )
