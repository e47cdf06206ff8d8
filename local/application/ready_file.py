"""The fields of the ready file beyond the addresses: an application's sources, and the secret of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.application.declaration import Application
from local.application.declared_sources import Bucket, Notifications, Stream, Table
from local.deploying.aws_clients import AwsClients
from local.deploying.deployment import Stack

_TOKEN_SECRET = "TokenSecret"  # noqa: S105  # a logical id


def describe_program(
    application: Application | None, parameters: Mapping[str, str], stack: Stack, clients: AwsClients
) -> dict[str, Any]:
    """Return what an application's sources are called, and the secret that signs tokens if they are checked.

    Args:
        application: the one that runs, if one does.
        parameters: those that Pushaside's template was deployed with.
        stack: the stack of Pushaside's template.
        clients: of the AWS with the stack.

    """
    described: dict[str, Any] = _describe_sources(application, parameters) if application is not None else {}
    if parameters.get("AuthMode") == "jwt" and _TOKEN_SECRET in stack.resources:
        found = clients.client("secretsmanager").get_secret_value(SecretId=stack.resources[_TOKEN_SECRET])
        described["token_secret"] = found["SecretString"]
    return described


def _describe_sources(application: Application, parameters: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return by kind, for each logical name, what clients of AWS call the source: its name, or the ARN of a topic."""
    described: dict[str, dict[str, str]] = {kind: {} for kind in ("tables", "buckets", "streams", "notifications")}
    for kind, name, source in application.declaration.sections():
        match source:
            case Table():
                physical = parameters.get(f"{name}Table", source.table_name)
            case Bucket():
                physical = parameters[f"{name}Bucket"]
            case Stream():
                physical = parameters[f"{name}Stream"].rpartition("/")[2]
            case Notifications():
                physical = parameters[f"{name}Topic"]
            case _:
                continue
        described[kind][name] = physical
    return described
