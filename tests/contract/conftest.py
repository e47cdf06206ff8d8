"""Adapters against real servers, by either kind of client of AWS."""

from __future__ import annotations

import dataclasses

import pytest

from tests.real_servers import Aws, aws_url, redis_url
from tests.real_servers import aws as aws_by_boto3

__all__ = ["aws_by_boto3", "aws_url", "redis_url"]


@pytest.fixture
def aws_by_lean(aws_by_boto3: Aws) -> Aws:
    return dataclasses.replace(aws_by_boto3, lean=True)


@pytest.fixture(params=["lean", "boto3"])
def aws(request: pytest.FixtureRequest) -> Aws:
    either: Aws = request.getfixturevalue(f"aws_by_{request.param}")
    return either
