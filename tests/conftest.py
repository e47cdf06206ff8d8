"""Servers that several folders of tests share, each started once and only if a test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.servers import valkey, valkey_cluster

# Every client is given an endpoint on loopback; should one not be, it must not find a way to AWS.
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_REGION="us-east-1",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
)
for variable in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
    os.environ.pop(variable, None)

settings.register_profile("fuzz", max_examples=int(os.environ.get("FUZZ_EXAMPLES", "20000")), deadline=None)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey server's URL; tests use keys of their own, or flush it."""
    with valkey() as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The same in cluster mode, as ElastiCache Serverless is, but with several nodes."""
    with valkey_cluster() as url:
        yield url
