"""The environment variables of a function's process: the template's and Lambda's own.

Source: "Defined runtime environment variables" (Lambda Developer Guide).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from local.deploying.aws_clients import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from local.deploying.control_plane import Function
from local.embedded.aws_process import REGION

_FROM_THE_MACHINE = ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of AWS that functions get in botocore's own variables, so that no handler has a local case."""

    aws: str
    management: str
    """The management API of the WebSocket API's stage, on the gateway's port."""


def function_environment(function: Function, endpoints: Endpoints, log_stream_name: str) -> dict[str, str]:
    """Return the complete `os.environ` of a process of `function`.

    It inherits only what a process needs to run from the developer's environment: no account, profile or region.
    """
    machine = {name: os.environ[name] for name in _FROM_THE_MACHINE if name in os.environ}
    return machine | dict(function.environment) | _lambda_variables(function, log_stream_name) | _aws(endpoints)


def _lambda_variables(function: Function, log_stream_name: str) -> dict[str, str]:
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_megabytes),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream_name,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "LANG": "en_US.UTF-8",
        "PYTHONUTF8": "1",
        "TZ": ":UTC",
        # The runtime has no X-Ray daemon.
        "POWERTOOLS_TRACE_DISABLED": "true",
        "AWS_XRAY_SDK_ENABLED": "false",
    }


def _aws(endpoints: Endpoints) -> dict[str, str]:
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoints.aws,
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": endpoints.management,
    }
