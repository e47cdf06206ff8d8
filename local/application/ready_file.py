"""The fields of the ready file beyond the addresses: an application's sources, and the secret of its tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.deploying.aws_clients import AwsClients
from local.deploying.deployment import Stack

_TOKEN_SECRET = "TokenSecret"  # noqa: S105  # a logical id


def describe_program(parameters: Mapping[str, str], stack: Stack, clients: AwsClients) -> dict[str, Any]:
    """Return the physical names of an application's sources, and the secret that signs tokens if they are checked.

    Args:
        parameters: those that Pushaside's template was deployed with.
        stack: the stack of Pushaside's template.
        clients: of the AWS with the stack.

    """
    described: dict[str, Any] = {}
    if parameters.get("Sources"):
        for kind, sources in json.loads(parameters["Sources"]).items():
            described[kind] = {name: source["name"] for name, source in sources.items()}
    if parameters.get("AuthMode") == "jwt" and _TOKEN_SECRET in stack.resources:
        found = clients.client("secretsmanager").get_secret_value(SecretId=stack.resources[_TOKEN_SECRET])
        described["token_secret"] = found["SecretString"]
    return described
