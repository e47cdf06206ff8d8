"""Functions as Lambda has them: a handler, an environment, and real servers behind it."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import compute.documents
import compute.leaderboard
import connect.app
import connect.authorizer
import request.http_app
import request.topics_app
from push.adapters.aws.clients import make_client
from push.adapters.redis.connection import AsyncRedis, shared_async_redis
from push.settings import ComputeSettings
from tests.servers.aws import Aws, aws, aws_url

__all__ = ["aws", "aws_url"]

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def read_event() -> Callable[[str], dict[str, Any]]:
    return lambda name: copy.deepcopy(json.loads((EVENTS / f"{name}.json").read_text()))


def forget_environment() -> None:
    """Begin a new execution environment."""
    for build in (connect.app.build, connect.authorizer.build, request.http_app.build, request.topics_app.build):
        build.cache_clear()
    compute.documents.build.cache_clear()
    compute.leaderboard.build.cache_clear()
    make_client.cache_clear()
    shared_async_redis.cache_clear()


@pytest.fixture
def fan_out_queue(aws: Aws) -> str:
    url: str = aws.client("sqs").create_queue(QueueName=f"fan-out-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    return url


@pytest.fixture(autouse=True)
def environment(aws: Aws, fan_out_queue: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    forget_environment()
    variables = {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "CONNECTIONS_TABLE": aws.tables["connections"],
        "TICKETS_TABLE": aws.tables["tickets"],
        "SUBSCRIPTIONS_TABLE": aws.tables["subscriptions"],
        "FAN_OUT_QUEUE_URL": fan_out_queue,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    forget_environment()


@pytest.fixture
def settings(aws: Aws, redis_url: str) -> ComputeSettings:
    return ComputeSettings(
        cache_url=redis_url,
        cache_timeout_ms=2000,
        cache_connect_timeout_ms=2000,
        compute_queue_url="",
        delivery_queue_url="",
        fan_out_queue_url="",
        subscriptions_table=aws.tables["subscriptions"],
        connections_table=aws.tables["connections"],
        documents_table=aws.tables["documents"],
        scores_table=aws.tables["scores"],
        storage_bucket=aws.bucket,
        requests_table="",
        webhook_queue_url="",
        aws_endpoint_url_apigatewaymanagementapi="",
    )


@pytest.fixture(autouse=True)
async def closed_redis(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Close what the computes opened: in Lambda an environment's clients end with it, here the loop does first."""
    opened: list[AsyncRedis] = []
    open_redis = AsyncRedis.__init__

    def remember(self: AsyncRedis, *args: Any, **options: Any) -> None:
        open_redis(self, *args, **options)
        opened.append(self)

    monkeypatch.setattr(AsyncRedis, "__init__", remember)
    yield
    for redis in opened:
        await redis.close()
