"""The description of the deployed stack, as the AWS APIs return it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.deploying.aws_clients import AwsClients
from local.deploying.deployment import Stack
from local.errors import CannotStartError
from local.functions.code_folder import FunctionCode
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
_FUNCTION_IN_URI = re.compile(r":function:([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function, with the folder of its code."""

    logical_id: str
    name: str
    arn: str
    runtime: str
    handler: str
    timeout_seconds: int
    memory_megabytes: int
    environment: Mapping[str, str]
    reserved_concurrency: int | None
    folder: Path
    layers: tuple[Path, ...] = ()

    @property
    def loads_computes(self) -> bool:
        """True if the function loads the modules that declare computes."""
        return "COMPUTE_MODULES" in self.environment


@dataclass(frozen=True, slots=True)
class EventSource:
    """An event-source mapping, with the settings that its poller needs."""

    function: str
    source_arn: str
    batch_size: int
    window_seconds: int
    report_item_failures: bool
    filters: tuple[str, ...] = ()
    maximum_concurrency: int | None = None
    starting_position: str = "LATEST"
    bisect_on_error: bool = False
    maximum_retries: int = -1
    maximum_record_age_seconds: int = -1
    failure_destination_arn: str | None = None

    @property
    def service(self) -> str:
        """The source's service: `sqs`, `dynamodb`, ..."""
        return self.source_arn.split(":")[2]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that the runtime serves."""

    websocket_api: WebSocketApi
    http_api: HttpApi | None
    functions: tuple[Function, ...]
    event_sources: tuple[EventSource, ...]
    queues: Mapping[str, str]
    """URL of each queue of the stack by logical id."""
    told_by_buckets: Mapping[str, frozenset[str]]
    """The buckets that notify a queue of their objects, by the queue's ARN."""

    @property
    def request_path(self) -> frozenset[str]:
        """The names of the functions that a client waits for."""
        routes = self.websocket_api.routes.values()
        integrations: list[Integration] = [route.integration for route in routes]
        integrations += [route.integration for route in (self.http_api.routes if self.http_api else ())]
        functions = {each.function for each in integrations if isinstance(each, FunctionIntegration)}
        return frozenset(functions | {route.authorizer.function for route in routes if route.authorizer})


def read_deployment(stack: Stack, code: Mapping[str, FunctionCode], clients: AwsClients) -> Deployment:
    """Return the description of `stack`; raise CannotStartError for a part that the runtime does not support."""
    apis = clients.client("apigatewayv2")
    deployed = [apis.get_api(ApiId=stack.resources[name]) for name in _of_type(stack, "AWS::ApiGatewayV2::Api")]
    http_apis = [_read_http_api(apis, api) for api in deployed if api["ProtocolType"] == "HTTP"]
    if len(http_apis) > 1:
        raise CannotStartError(f"The template has {len(http_apis)} HTTP APIs; the runtime serves at most one.")
    return Deployment(
        websocket_api=next(_read_websocket_api(apis, api) for api in deployed if api["ProtocolType"] == "WEBSOCKET"),
        http_api=http_apis[0] if http_apis else None,
        functions=tuple(
            _read_function(clients, logical_id, stack.resources[logical_id], code[logical_id])
            for logical_id in _of_type(stack, "AWS::Lambda::Function")
            if logical_id in code
        ),
        event_sources=tuple(_read_event_sources(stack, clients)),
        queues={name: stack.resources[name] for name in _of_type(stack, "AWS::SQS::Queue")},
        told_by_buckets=_read_notifications(stack, clients),
    )


def _read_notifications(stack: Stack, clients: AwsClients) -> Mapping[str, frozenset[str]]:
    told_by: defaultdict[str, set[str]] = defaultdict(set)
    for logical_id in _of_type(stack, "AWS::S3::Bucket"):
        bucket = stack.resources[logical_id]
        configuration = clients.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        for each in configuration.get("QueueConfigurations", ()):
            told_by[each["QueueArn"]].add(bucket)
    return {queue: frozenset(buckets) for queue, buckets in told_by.items()}


def _of_type(stack: Stack, resource_type: str) -> list[str]:
    return [logical_id for logical_id, each in stack.types.items() if each == resource_type]


def _read_websocket_api(apis: Any, api: Mapping[str, Any]) -> WebSocketApi:  # noqa: ANN401  # a boto3 client
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
                _function_in(integration["IntegrationUri"]), min(seconds, _WEBSOCKET_TIMEOUT_SECONDS)
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
    return Authorizer(_function_in(authorizer["AuthorizerUri"]), tuple(authorizer.get("IdentitySource", ())))


def _read_http_api(apis: Any, api: Mapping[str, Any]) -> HttpApi:  # noqa: ANN401  # a boto3 client
    api_id = api["ApiId"]
    integrations = {each["IntegrationId"]: each for each in apis.get_integrations(ApiId=api_id)["Items"]}
    stages = apis.get_stages(ApiId=api_id)["Items"]
    routes = []
    for route in apis.get_routes(ApiId=api_id)["Items"]:
        integration = integrations[route["Target"].rpartition("/")[2]]
        if integration["IntegrationType"] != "AWS_PROXY":
            raise CannotStartError(f"The route {route['RouteKey']} of the HTTP API does not call a function.")
        function = _function_in(integration["IntegrationUri"])
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


def _function_in(uri: str) -> str:
    match = _FUNCTION_IN_URI.search(uri)
    if match is None:
        raise CannotStartError(f"The integration {uri} does not name a function.")
    return match[1]


def _read_function(clients: AwsClients, logical_id: str, name: str, code: FunctionCode) -> Function:
    functions = clients.client("lambda")
    configuration = functions.get_function_configuration(FunctionName=name)
    runtime = configuration.get("Runtime", "")
    if not runtime.startswith("python"):
        raise CannotStartError(f"{logical_id} is not a Python function ({runtime or 'no runtime'}).")
    return Function(
        logical_id=logical_id,
        name=name,
        arn=configuration["FunctionArn"],
        runtime=runtime,
        handler=configuration["Handler"],
        timeout_seconds=configuration["Timeout"],
        memory_megabytes=configuration["MemorySize"],
        environment=configuration.get("Environment", {}).get("Variables", {}),
        reserved_concurrency=functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"),
        folder=code.folder,
        layers=code.layers,
    )


def _read_event_sources(stack: Stack, clients: AwsClients) -> Iterator[EventSource]:
    functions = clients.client("lambda")
    for logical_id in _of_type(stack, "AWS::Lambda::EventSourceMapping"):
        if logical_id not in stack.disabled_mappings:
            yield _read_event_source(functions.get_event_source_mapping(UUID=stack.resources[logical_id]))


def _read_event_source(mapping: Mapping[str, Any]) -> EventSource:
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    return EventSource(
        function=_function_in(mapping["FunctionArn"]),
        source_arn=mapping["EventSourceArn"],
        batch_size=mapping["BatchSize"],
        window_seconds=mapping.get("MaximumBatchingWindowInSeconds", 0),
        report_item_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", ()),
        filters=tuple(each["Pattern"] for each in mapping.get("FilterCriteria", {}).get("Filters", ())),
        maximum_concurrency=mapping.get("ScalingConfig", {}).get("MaximumConcurrency"),
        starting_position=mapping.get("StartingPosition", "LATEST"),
        bisect_on_error=mapping.get("BisectBatchOnFunctionError", False),
        maximum_retries=mapping.get("MaximumRetryAttempts", -1),
        maximum_record_age_seconds=mapping.get("MaximumRecordAgeInSeconds", -1),
        failure_destination_arn=destination,
    )
