"""Adapters against real servers, by either kind of client of AWS."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.s3_client import S3Client
from push.adapters.aws.sigv4 import Credentials, Signer
from tests.patience import PATIENCE_SECONDS
from tests.servers.aws import Aws, aws_url
from tests.servers.aws import aws as aws_by_boto3

__all__ = ["aws_by_boto3", "aws_url"]


class LeanAws(Aws):
    """AWS by our own clients."""

    def client(self, service: str, **options: Any) -> Any:
        if service != "s3" or options:
            return super().client(service, **options)
        signer = Signer(Credentials("test", "test"), service="s3", region="us-east-1")
        return S3Client(self.url, signer, Timeouts(connect=PATIENCE_SECONDS, read=PATIENCE_SECONDS))


@pytest.fixture
def aws_by_lean(aws_by_boto3: Aws) -> Aws:
    fields = {field.name: getattr(aws_by_boto3, field.name) for field in dataclasses.fields(aws_by_boto3)}
    return LeanAws(**fields | {"lean": True})


@pytest.fixture(params=["lean", "boto3"])
def aws(request: pytest.FixtureRequest) -> Aws:
    either: Aws = request.getfixturevalue(f"aws_by_{request.param}")
    return either
