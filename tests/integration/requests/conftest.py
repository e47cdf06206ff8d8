"""A stack for every test: a real Valkey, moto's SQS and DynamoDB, and a small `@connections`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.requests import scripted_computes
from tests.integration.requests.stacks import COMPUTES, TOKEN_SECRET, WEBHOOK_SECRET, Environments, Stack
from tests.servers.aws import Aws, aws, aws_url
from tests.servers.management import served_in_a_thread
from tests.servers.valkey import free_port

__all__ = ["aws", "aws_url"]


@pytest.fixture
def stack(aws: Aws, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    scripted_computes.runs.clear()
    scripted_computes.revoked.clear()
    environments = Environments(monkeypatch)
    with served_in_a_thread() as management:
        stack = Stack(aws, management, environments, monkeypatch, redis_url)
        stack.redis.run("FLUSHALL")
        stack.configure(
            AWS_ENDPOINT_URL=aws.url,
            AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=management.endpoint,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_REGION="us-east-1",
            AWS_DEFAULT_REGION="us-east-1",
            CACHE_URL=redis_url,
            CACHE_TIMEOUT_MS="2000",
            COMPUTE_MODULES=COMPUTES,
            COMPUTE_QUEUE_URL=stack.queues["compute"],
            COMPUTE_DEAD_LETTER_QUEUE_URL=stack.queues["dead"],
            DELIVERY_QUEUE_URL=stack.queues["delivery"],
            CONNECTIONS_TABLE=aws.tables["connections"],
            SUBSCRIPTIONS_TABLE=aws.tables["subscriptions"],
            FAN_OUT_QUEUE_URL=stack.queues["fan-out"],
            TICKETS_TABLE=aws.tables["tickets"],
            REQUESTS_TABLE=aws.tables["requests"],
            WEBHOOKS_TABLE=aws.tables["webhooks"],
            REQUEST_QUEUE_URL=stack.queues["request"],
            CHANGE_QUEUE_URL="unused",
            WEBHOOK_QUEUE_URL=stack.queues["webhook"],
            WEBHOOK_SECRET_ARN=stack.make_secret(WEBHOOK_SECRET),
            TOKEN_SECRET_ARN=stack.make_secret(TOKEN_SECRET),
            STORAGE_BUCKET=aws.bucket,
            POWERTOOLS_SERVICE_NAME="test",
            POWERTOOLS_METRICS_NAMESPACE="Pushaside",
        )
        yield stack
        environments.begin()


@pytest.fixture
def nowhere() -> str:
    """A port of this machine where nobody listens."""
    return f"127.0.0.1:{free_port()}"
