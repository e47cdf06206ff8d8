"""The form of a template that the embedded AWS can deploy, with the same meaning on one machine.

The runtime changes three parts of a SAM template:

- Code: the runtime runs functions from their folders, so it uploads an empty placeholder.
- Resource types that the embedded CloudFormation does not know: the runtime creates `COMPLETED_BY_API` afterwards by
  the service's own API, and leaves out `WITHOUT_MEANING`, which do nothing on one machine.
- Event-source mappings: it deploys them disabled, because it polls the sources itself.

CloudFormation still evaluates the values of removed resources that the runtime needs, as outputs (`output_values`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.deploying.cors import IMPLICIT_API, defer_cors, sam_cors
from local.deploying.output_values import DeferredValues
from local.deploying.throttles import defer_throttles

COMPLETED_BY_API = ("AWS::ApiGatewayV2::RouteResponse", "AWS::ApiGatewayV2::IntegrationResponse")
WITHOUT_MEANING = (
    "AWS::ApiGateway::Account",  # sets the account's role for access logs
    "AWS::ApiGatewayV2::Deployment",  # the runtime serves what the template declares
    "AWS::ApplicationInsights::Application",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::Lambda::CodeSigningConfig",
    "AWS::Logs::QueryDefinition",
    "AWS::ResourceGroups::Group",
    "AWS::Synthetics::Canary",
    "AWS::XRay::Group",
    "AWS::XRay::SamplingRule",
)
_NOT_DEPLOYED = {*COMPLETED_BY_API, *WITHOUT_MEANING}
"""The resource types that the embedded CloudFormation refuses."""

_POLLED_EVENT_TYPES = ("SQS", "DynamoDB", "Kinesis")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The S3 address of the placeholder that stands for functions' code."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The address in the form of CodeUri and ContentUri."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(slots=True)
class DeployableTemplate:
    """The template for CloudFormation, and the settings to complete by API after the deployment."""

    body: dict[str, Any]
    deferred: DeferredValues
    route_responses: list[dict[str, Any]] = field(default_factory=list)
    integration_responses: list[dict[str, Any]] = field(default_factory=list)
    reserved_concurrency: dict[str, Any] = field(default_factory=dict)
    """Concurrency limits by function (logical id), which the embedded CloudFormation ignores."""
    cors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """CORS configurations by HTTP API (logical id), which the embedded CloudFormation loses."""
    throttles: list[dict[str, Any]] = field(default_factory=list)
    """Throttling of routes by stage, which the embedded CloudFormation loses too."""
    enabled: dict[str, Any] = field(default_factory=dict)
    """The `Enabled` of event-source mappings (logical id) that declare it."""


def make_deployable(template: Mapping[str, Any], placeholder: Placeholder) -> DeployableTemplate:
    """Return the form of `template` that the embedded CloudFormation accepts, without changing `template`."""
    body = copy.deepcopy(dict(template))
    result = DeployableTemplate(body, DeferredValues(body))
    function_defaults = body.get("Globals", {}).get("Function", {})
    if "CodeUri" in function_defaults:
        function_defaults["CodeUri"] = placeholder.uri
    for logical_id, resource in body["Resources"].items():
        _make_resource_deployable(result, logical_id, resource, function_defaults, placeholder)
    _note_cors(result, body)
    result.throttles = defer_throttles(body, result.deferred)
    leave_out(body, {name for name, each in body["Resources"].items() if each["Type"] in _NOT_DEPLOYED})
    return result


def _make_resource_deployable(
    result: DeployableTemplate,
    logical_id: str,
    resource: dict[str, Any],
    function_defaults: dict[str, Any],
    placeholder: Placeholder,
) -> None:
    properties = resource.setdefault("Properties", {})
    condition = resource.get("Condition")
    match resource["Type"]:
        case "AWS::Serverless::Function":
            _replace_code(properties, placeholder)
            _note_concurrency(result, logical_id, function_defaults | properties, condition)
            _disable_events(result, logical_id, properties.get("Events", {}), condition)
        case "AWS::Lambda::Function":
            properties["Code"] = {"S3Bucket": placeholder.bucket, "S3Key": placeholder.key}
            _note_concurrency(result, logical_id, properties, condition)
        case "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = placeholder.uri
        case "AWS::Lambda::LayerVersion":
            properties["Content"] = {"S3Bucket": placeholder.bucket, "S3Key": placeholder.key}
        case "AWS::Lambda::EventSourceMapping":
            _disable_mapping(result, logical_id, properties, condition)
        case "AWS::ApiGatewayV2::RouteResponse":
            result.route_responses.append(result.deferred.defer(properties, condition))
        case "AWS::ApiGatewayV2::IntegrationResponse":
            result.integration_responses.append(result.deferred.defer(properties, condition))


def _replace_code(properties: dict[str, Any], placeholder: Placeholder) -> None:
    properties.pop("InlineCode", None)
    properties["CodeUri"] = placeholder.uri


def _note_concurrency(
    result: DeployableTemplate, logical_id: str, properties: Mapping[str, Any], condition: str | None
) -> None:
    if "ReservedConcurrentExecutions" in properties:
        limit = properties["ReservedConcurrentExecutions"]
        result.reserved_concurrency[logical_id] = result.deferred.defer(limit, condition)


def _note_cors(result: DeployableTemplate, body: Mapping[str, Any]) -> None:
    template_globals = body.get("Globals", {})
    declared = {IMPLICIT_API: {"Type": "AWS::Serverless::HttpApi"}, **body["Resources"]}
    for logical_id, resource in declared.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::ApiGatewayV2::Api":
                cors = properties.get("CorsConfiguration")
            case "AWS::Serverless::HttpApi":
                cors = sam_cors(properties, template_globals)
            case _:
                cors = None
        if cors:
            result.cors[logical_id] = defer_cors(cors, result.deferred, resource.get("Condition"))


def _disable_events(
    result: DeployableTemplate, function: str, events: Mapping[str, Any], condition: str | None
) -> None:
    for name, event in events.items():
        if event.get("Type") in _POLLED_EVENT_TYPES:
            # SAM names its mapping after the function and the event.
            _disable_mapping(result, function + name, event["Properties"], condition)


def _disable_mapping(
    result: DeployableTemplate, mapping: str, properties: dict[str, Any], condition: str | None
) -> None:
    if "Enabled" in properties:
        result.enabled[mapping] = result.deferred.defer(properties["Enabled"], condition)
    properties["Enabled"] = False


def leave_out(body: dict[str, Any], left_out: set[str]) -> None:
    """Remove resources from a template, with the dependencies on them and the outputs that refer to them."""
    resources = body["Resources"]
    for name in left_out:
        del resources[name]
    for resource in resources.values():
        _drop_dependencies(resource, left_out)
    outputs = body.get("Outputs", {})
    for name in [name for name, output in outputs.items() if left_out & set(_references(output))]:
        del outputs[name]


def _drop_dependencies(resource: dict[str, Any], left_out: set[str]) -> None:
    depends_on = resource.pop("DependsOn", [])
    kept = [each for each in ([depends_on] if isinstance(depends_on, str) else depends_on) if each not in left_out]
    if kept:
        resource["DependsOn"] = kept


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    """Yield the logical ids to which `value` refers by Ref, Fn::GetAtt or a plain Fn::Sub."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, dict):
        yield from _direct_references(value)
        for each in value.values():
            yield from _references(each)


def _direct_references(value: dict[str, Any]) -> Iterator[str]:
    if isinstance(value.get("Ref"), str):
        yield value["Ref"]
    if isinstance(value.get("Fn::GetAtt"), list):
        yield value["Fn::GetAtt"][0]
    if "Fn::Sub" in value:
        text = json.dumps(value["Fn::Sub"])
        yield from (part.partition("}")[0].partition(".")[0] for part in text.split("${")[1:])
