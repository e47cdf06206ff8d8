"""Clients of AWS services: short timeouts, few retries, one per service and execution environment.

Endpoints come from botocore's own variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`); none is set here.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.json_client import PROTOCOLS, JsonClient
from push.adapters.aws.sigv4 import Credentials, Signer
from push.settings import Settings, read_settings

CONNECT_TIMEOUT_SECONDS = 1.0


@cache
def make_client(service: str, *, read_timeout_seconds: float = 3.0, connections: int = 10) -> Any:  # noqa: ANN401
    """Return the environment's client of an AWS service: boto3's, or our own with the same methods.

    Args:
        service: botocore's name of the service.
        read_timeout_seconds: how long one try waits for bytes of the answer.
        connections: how many calls may run at once.

    """
    # Lambda passes credentials in these variables. Only botocore finds credentials elsewhere.
    if (
        (service in PROTOCOLS or service == "s3")
        and "AWS_ACCESS_KEY_ID" in os.environ
        and read_settings(Settings, os.environ).aws_clients == "lean"
    ):
        return _make_signed_client(service, Timeouts(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds), connections)
    return _make_boto3_client(service, read_timeout_seconds, connections)


def _make_signed_client(service: str, timeouts: Timeouts, connections: int) -> Any:  # noqa: ANN401
    endpoint, signer = _find_endpoint(service), make_signer(service)
    if service == "s3":
        # Loaded on demand: only large payloads and documents need S3.
        from push.adapters.aws.s3_client import S3Client

        return S3Client(endpoint, signer, timeouts, connections=connections)
    return JsonClient(service, endpoint, signer, timeouts, connections=connections)


def make_signer(service: str) -> Signer:
    """Return a signer for a service. Lambda's credentials outlive the environment, so they are read once."""
    credentials = Credentials(
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        os.environ.get("AWS_SESSION_TOKEN", ""),
    )
    return Signer(credentials, service=service, region=_region())


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]


def _find_endpoint(service: str) -> str:
    """Return the endpoint that botocore would use: from its own variables, or the region's default."""
    variable = "SECRETS_MANAGER" if service == "secretsmanager" else service.upper()
    endpoint = os.environ.get(f"AWS_ENDPOINT_URL_{variable}") or os.environ.get("AWS_ENDPOINT_URL")
    region = _region()
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return endpoint or f"https://{service}.{region}.{suffix}"


def _make_boto3_client(service: str, read_timeout_seconds: float, connections: int) -> Any:  # noqa: ANN401
    # Imported on demand: boto3 takes longer to load than everything else, and most functions never need it.
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout_seconds,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 3},
        tcp_keepalive=True,
    )
    if service == "s3":
        # botocore's defaults would sign presigned URLs by version 2, which new regions refuse, and for the global
        # endpoint, which redirects to the region's. An endpoint that is an IP address is not affected.
        config = config.merge(
            Config(
                signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
            )
        )
    return boto3.client(service, config=config)  # type: ignore[call-overload] # the service is a variable here
