"""Deployment of a template to the embedded AWS through CloudFormation, completed by service APIs."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deploying.aws_clients import AwsClients
from local.deploying.cors import resolved_cors
from local.deploying.deployable_template import DeployableTemplate, Placeholder, make_deployable
from local.deploying.openapi_routes import create_routes
from local.deploying.output_values import resolve
from local.deploying.throttles import resolved_throttles
from local.errors import CannotStartError

STACK_NAME = "local"
"""The stack that the runtime serves."""

OWN_STACK_NAME = "application"
"""The stack of an application's own resources."""

_PLACEHOLDER = Placeholder("local-artifacts", "placeholder.zip")
_POLL_SECONDS = 0.01
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack."""

    resources: Mapping[str, str]
    """Physical ids by logical id."""
    types: Mapping[str, str]
    """Resource types by logical id."""
    disabled_mappings: frozenset[str]
    """Logical ids of the event-source mappings that the template disables."""
    template: Mapping[str, Any]
    """The template as CloudFormation processed it, after the SAM transform."""
    outputs: Mapping[str, str]

    def of_type(self, resource_type: str) -> list[str]:
        """Return the logical ids of the resources of a type."""
        return [logical_id for logical_id, each in self.types.items() if each == resource_type]


def deploy(
    template: Mapping[str, Any], parameters: Mapping[str, str], clients: AwsClients, name: str = STACK_NAME
) -> Stack:
    """Deploy `template` as the stack `name` and return it; raise CannotStartError if CloudFormation refuses it.

    Ignore parameters that the template does not declare.
    """
    deployable = make_deployable(template, _PLACEHOLDER)
    try:
        _upload(deployable.body, name, clients)
        _run_change_set(clients, name, _declared(parameters, template))
        outputs = _outputs(clients, name)
        stack = _read_stack(deployable, name, outputs, clients)
        _complete(deployable, outputs, stack, clients)
    except (BotoCoreError, ClientError) as error:
        raise CannotStartError(f"The template could not be deployed: {error}") from error
    return stack


def _declared(parameters: Mapping[str, str], template: Mapping[str, Any]) -> list[dict[str, str]]:
    declared = template.get("Parameters") or {}
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items() if name in declared]


def _upload(body: Mapping[str, Any], name: str, clients: AwsClients) -> None:
    """Upload the placeholder for code, and the template, which may be too long for a request."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as placeholder:
        placeholder.writestr("placeholder.py", "")
    s3 = clients.client("s3")
    s3.create_bucket(Bucket=_PLACEHOLDER.bucket)
    s3.put_object(Bucket=_PLACEHOLDER.bucket, Key=_PLACEHOLDER.key, Body=archive.getvalue())
    s3.put_object(Bucket=_PLACEHOLDER.bucket, Key=f"{name}.json", Body=json.dumps(body).encode())


def _run_change_set(clients: AwsClients, name: str, parameters: list[dict[str, str]]) -> None:
    """Create the stack, or update the one that the AWS at `--aws-endpoint` already has."""
    cloudformation = clients.client("cloudformation")
    kind = "UPDATE" if _stack_exists(cloudformation, name) else "CREATE"
    change_set = {"StackName": name, "ChangeSetName": f"change-{time.time_ns()}"}
    cloudformation.create_change_set(
        **change_set,
        TemplateURL=f"{clients.endpoint_url}/{_PLACEHOLDER.bucket}/{name}.json",
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        ChangeSetType=kind,
    )
    created = _settled(lambda: cloudformation.describe_change_set(**change_set))
    if created["Status"] == "FAILED":
        if "didn't contain changes" in created.get("StatusReason", "") or "No updates" in created["StatusReason"]:
            return
        raise CannotStartError(f"The template could not be deployed: {created.get('StatusReason', 'refused')}")
    cloudformation.execute_change_set(**change_set)
    stack = _settled(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0])
    if stack["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise CannotStartError(f"The template could not be deployed: {_failure(cloudformation, name)}")


def _stack_exists(cloudformation: Any, name: str) -> bool:  # noqa: ANN401  # a boto3 client
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    return bool(stacks and stacks[0]["StackStatus"] != "REVIEW_IN_PROGRESS")


def _settled(describe: Any) -> dict[str, Any]:  # noqa: ANN401  # returns a boto3 answer
    """Poll until the operation has ended, and return its last description."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        description: dict[str, Any] = describe()
        status = description.get("StackStatus") or description["Status"]
        if not status.endswith(("_PENDING", "_IN_PROGRESS")):
            return description
        time.sleep(_POLL_SECONDS)
    raise CannotStartError(f"CloudFormation did not finish within {_TIMEOUT_SECONDS:.0f} seconds.")


def _failure(cloudformation: Any, name: str) -> str:  # noqa: ANN401  # a boto3 client
    """Return the first reason for the failure, with its resource."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'failed')}" for event in failed]
    return reasons[-1] if reasons else "CloudFormation gave no reason"


def _outputs(clients: AwsClients, name: str) -> dict[str, str]:
    stack = clients.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _read_stack(deployable: DeployableTemplate, name: str, outputs: Mapping[str, str], clients: AwsClients) -> Stack:
    cloudformation = clients.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    processed = cloudformation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    return Stack(
        resources={each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources},
        types={each["LogicalResourceId"]: each["ResourceType"] for each in resources},
        disabled_mappings=frozenset(
            mapping
            for mapping, enabled in deployable.enabled.items()
            if str(resolve(enabled, outputs)).lower() != "true"
        ),
        template=json.loads(processed) if isinstance(processed, str) else processed,
        outputs=outputs,
    )


def _complete(deployable: DeployableTemplate, outputs: Mapping[str, str], stack: Stack, clients: AwsClients) -> None:
    """Set by service APIs what the embedded CloudFormation refuses or ignores."""
    apis = clients.client("apigatewayv2")
    for response in resolve(deployable.route_responses, outputs):
        _create_response(apis.create_route_response, response, "RouteId")
    for response in resolve(deployable.integration_responses, outputs):
        _create_response(apis.create_integration_response, response, "IntegrationId")
    create_routes(stack.template, stack.resources, clients)
    _complete_apis(apis, deployable, outputs, stack)
    for function, limit in deployable.reserved_concurrency.items():
        executions = resolve(limit, outputs)
        if executions is not None and function in stack.resources:
            clients.client("lambda").put_function_concurrency(
                FunctionName=stack.resources[function], ReservedConcurrentExecutions=int(executions)
            )


def _complete_apis(apis: Any, deployable: DeployableTemplate, outputs: Mapping[str, str], stack: Stack) -> None:  # noqa: ANN401  # a boto3 client
    for api, configuration in deployable.cors.items():
        cors = resolved_cors(configuration, outputs)
        if cors and api in stack.resources:
            apis.update_api(ApiId=stack.resources[api], CorsConfiguration=cors)
    for settings in resolved_throttles(deployable.throttles, outputs):
        for stage in apis.get_stages(ApiId=settings["ApiId"])["Items"]:
            apis.update_stage(StageName=stage["StageName"], **settings)


def _create_response(create: Any, response: dict[str, Any], parent: str) -> None:  # noqa: ANN401  # a boto3 method
    if response["ApiId"] is None:
        return  # a condition of the template left it out
    # References have the form `API/ROUTE` or `ROUTE`.
    create(**response | {parent: response[parent].rpartition("/")[2]})
