"""boto3 clients as this service wants them: short timeouts, few retries, made once per execution environment.

Endpoints come from botocore's own variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`); none is set here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# What botocore leaves to its old defaults, presigned URLs would show: signed by version 2, which new regions refuse,
# and for the global endpoint, which redirects to the region's. An endpoint that is an IP address is not affected.
_S3_CONFIG = Config(
    signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
)


@cache
def make_client(service: str, *, read_timeout_seconds: float = 3.0, connections: int = 10) -> Any:  # noqa: ANN401
    """Return the environment's client of an AWS service.

    Args:
        service: botocore's name of it.
        read_timeout_seconds: how long one try waits for bytes of the answer.
        connections: how many calls may be under way at once.

    """
    config = Config(
        connect_timeout=1.0,
        read_timeout=read_timeout_seconds,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 3},
        tcp_keepalive=True,
    )
    if service == "s3":
        config = config.merge(_S3_CONFIG)
    return boto3.client(service, config=config)  # type: ignore[call-overload] # the service is a variable here
