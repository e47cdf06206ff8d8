"""The description of the deployed stack, as the AWS APIs return it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.deploying.aws_clients import AwsClients
from local.deploying.deployment import Stack
from local.deploying.function_arns import function_in
from local.deploying.gateway_apis import read_http_api, read_websocket_api
from local.deploying.queue_senders import read_senders
from local.errors import CannotStartError
from local.functions.code_folder import FunctionCode
from local.gateway.api import FunctionIntegration, HttpApi, Integration, WebSocketApi


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
    told_by: Mapping[str, frozenset[str]]
    """The buckets, event buses and topics that send to a queue, by the queue's ARN."""

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
    deployed = [apis.get_api(ApiId=stack.resources[name]) for name in stack.of_type("AWS::ApiGatewayV2::Api")]
    http_apis = [read_http_api(apis, api) for api in deployed if api["ProtocolType"] == "HTTP"]
    if len(http_apis) > 1:
        raise CannotStartError(f"The template has {len(http_apis)} HTTP APIs; the runtime serves at most one.")
    return Deployment(
        websocket_api=next(read_websocket_api(apis, api) for api in deployed if api["ProtocolType"] == "WEBSOCKET"),
        http_api=http_apis[0] if http_apis else None,
        functions=tuple(
            _read_function(clients, logical_id, stack.resources[logical_id], code[logical_id])
            for logical_id in stack.of_type("AWS::Lambda::Function")
            if logical_id in code
        ),
        event_sources=tuple(_read_event_sources(stack, clients)),
        queues={name: stack.resources[name] for name in stack.of_type("AWS::SQS::Queue")},
        told_by=read_senders(stack, clients),
    )


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
    for logical_id in stack.of_type("AWS::Lambda::EventSourceMapping"):
        if logical_id not in stack.disabled_mappings:
            yield _read_event_source(functions.get_event_source_mapping(UUID=stack.resources[logical_id]))


def _read_event_source(mapping: Mapping[str, Any]) -> EventSource:
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    return EventSource(
        function=function_in(mapping["FunctionArn"]),
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
