"""Fan-out through its handler: subscriptions in DynamoDB, histories in Redis, pushes to a small `@connections`."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import notify.fan_out_app
from notify.fan_out_app import handler
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from push.adapters.redis.connection import SyncRedis, shared_async_redis
from push.adapters.redis.histories import SyncRedisHistory
from push.adapters.sqs.fan_out import SqsFanOutJobSender
from push.adapters.sqs.redelivery import SqsRedelivery
from push.adapters.wiring import event_loop
from push.computes import Tenant
from push.errors import QueueUnavailableError
from push.settings import CacheSettings, FanOutSettings, read_settings
from push.topics.fan_out_jobs import (
    CatchUp,
    FanOutJob,
    Farewell,
    Nudge,
    PresenceLook,
    parse_fan_out_job,
    serialize_fan_out_job,
)
from push.topics.histories import NewMessage
from push.topics.subscriptions import PATCH, Subscription
from push.topics.topics import Topic
from tests.servers.aws import Aws
from tests.servers.management import ManagementServer, served_in_a_thread
from tests.servers.queues import receive_count, send, wait_for

UNTIL = 4_000_000_000
NAMES = [f"c{number}=" for number in range(12)]


@pytest.fixture
def server() -> Iterator[ManagementServer]:
    with served_in_a_thread() as server:
        yield server


@pytest.fixture(autouse=True)
def deployed(
    environment: pytest.MonkeyPatch, aws: Aws, redis_url: str, server: ManagementServer
) -> Iterator[pytest.MonkeyPatch]:
    variables = {
        "CACHE_URL": redis_url,
        "CACHE_TIMEOUT_MS": "2000",
        "STORAGE_BUCKET": aws.bucket,
        "POWERTOOLS_METRICS_NAMESPACE": "Pushaside",
        "POWERTOOLS_SERVICE_NAME": "fan-out",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": server.endpoint,
    }
    for name, value in variables.items():
        environment.setenv(name, value)
    event_loop._loop.cache_clear()
    settings = read_settings(FanOutSettings, os.environ)
    yield environment
    event_loop.run(_close(settings))
    event_loop._loop().close()
    event_loop._loop.cache_clear()
    notify.fan_out_app.build.cache_clear()


async def _close(settings: FanOutSettings) -> None:
    await shared_async_redis(settings).close()
    notify.fan_out_app.build().fanning_out.connections.close()  # type: ignore[attr-defined] # it is the lean one
    await asyncio.sleep(0)
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*pending, return_exceptions=True)


@pytest.fixture
def topic() -> Topic:
    return Topic(Tenant("acme"), f"demo:{uuid.uuid4().hex}")


@pytest.fixture
def histories(redis_url: str) -> SyncRedisHistory:
    return SyncRedisHistory(SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000)))


@pytest.fixture(autouse=True)
def subscribers(aws: Aws, topic: Topic) -> None:
    subscriptions = DynamoDbSubscriptions(aws.client("dynamodb"), aws.tables["subscriptions"])
    subscriptions.add([Subscription(topic, name, f"user {name}", UNTIL) for name in NAMES])


def receive(*bodies: str) -> list[str]:
    """Hand the handler a batch; return the ids of those that are to come back."""
    attributes = {"ApproximateReceiveCount": "1"}
    records = [{"messageId": str(number), "body": body, "attributes": attributes} for number, body in enumerate(bodies)]
    return [each["itemIdentifier"] for each in handler({"Records": records}, None)["batchItemFailures"]]


def work(*jobs: FanOutJob) -> list[str]:
    return receive(*map(serialize_fan_out_job, jobs))


def publish(histories: SyncRedisHistory, topic: Topic, *data: bytes) -> None:
    histories.append(topic, [NewMessage(each) for each in data], size=100, seconds=60)


def queued(aws: Aws, fan_out_queue: str) -> list[FanOutJob]:
    """Receive what is in the queue within the second that catch-ups are delayed by."""
    answer: dict[str, Any] = aws.client("sqs").receive_message(
        QueueUrl=fan_out_queue, MaxNumberOfMessages=10, WaitTimeSeconds=3
    )
    return [parse_fan_out_job(message["Body"]) for message in answer.get("Messages", [])]


def test_a_nudge_pushes_to_the_subscribers_of_all_shards(
    server: ManagementServer, histories: SyncRedisHistory, topic: Topic
) -> None:
    publish(histories, topic, b"1", b"2")
    assert work(Nudge(topic.storage), Nudge(topic.storage)) == []
    for name in NAMES:
        assert [frame["data"] for frame in server.received(name)] == [1, 2]


def test_who_asked_for_patches_is_pushed_what_changed_of_a_live_result(
    server: ManagementServer, histories: SyncRedisHistory, aws: Aws
) -> None:
    live = Topic(Tenant("acme"), f"documents@1:{uuid.uuid4().hex}")
    subscriptions = DynamoDbSubscriptions(aws.client("dynamodb"), aws.tables["subscriptions"])
    options = [frozenset({PATCH} if number % 2 else ()) for number in range(len(NAMES))]
    subscriptions.add(
        [Subscription(live, name, "ann", UNTIL, asked) for name, asked in zip(NAMES, options, strict=True)]
    )
    for number in range(3):
        entry = b'{"etag":"e%d","data":{"filler":"%s","number":%d}}' % (number, b"x" * 200, number)
        histories.append(live, [NewMessage(entry)], size=2, seconds=60)
        assert work(Nudge(live.storage)) == []
    for name, asked in zip(NAMES, options, strict=True):
        first, *updates = server.received(name)
        assert first["data"]["number"] == 0
        if asked:
            assert [(each["base"], each["merge_patch"]) for each in updates] == [
                ("e0", {"number": 1}),
                ("e1", {"number": 2}),
            ]
        else:
            assert [each["data"]["number"] for each in updates] == [1, 2]


def test_who_is_throttled_catches_up_by_a_message_of_its_own(
    server: ManagementServer, histories: SyncRedisHistory, topic: Topic, aws: Aws, fan_out_queue: str
) -> None:
    server.behaviours["c3="] = [200, 429]
    publish(histories, topic, b"1", b"2")
    work(Nudge(topic.storage))
    publish(histories, topic, b"3")
    work(Nudge(topic.storage))
    assert len(server.frames["c3="]) == 1
    jobs = queued(aws, fan_out_queue)
    assert jobs == [CatchUp(topic.storage, "c3=")]
    assert work(*jobs) == []
    assert [frame["data"] for frame in server.received("c3=")] == [1, 2, 3]


def test_who_is_gone_is_removed_and_the_others_are_told(
    server: ManagementServer, histories: SyncRedisHistory, topic: Topic, aws: Aws, fan_out_queue: str
) -> None:
    work(PresenceLook(topic.storage))
    server.always["c3="] = 410
    publish(histories, topic, b"1")
    work(Nudge(topic.storage))
    assert sorted(row["connection_id"]["S"] for row in aws.rows("subscriptions")) == sorted({*NAMES} - {"c3="})
    jobs = queued(aws, fan_out_queue)
    assert jobs == [PresenceLook(topic.storage)]
    work(*jobs)
    expected = {"type": "presence", "topic": topic.name, "count": 11, "joined": [], "left": ["user c3="]}
    assert server.received("c1=")[-1] == expected


def test_presence_is_told_once(server: ManagementServer, topic: Topic) -> None:
    work(PresenceLook(topic.storage))
    work(PresenceLook(topic.storage))
    (frame,) = server.received("c1=")
    assert (frame["count"], frame["left"]) == (12, [])
    assert frame["joined"] == sorted(f"user {name}" for name in NAMES)


def test_a_farewell_that_is_due_is_said(server: ManagementServer) -> None:
    now_ms = time.time_ns() // 1_000_000
    work(Farewell("c1=", now_ms, now_ms + 60_000))
    assert server.received("c1=")[0]["type"] == "bye"


def test_what_is_no_job_is_dropped(topic: Topic, histories: SyncRedisHistory, server: ManagementServer) -> None:
    publish(histories, topic, b"1")
    assert receive("{}", '{"kind":"nudge","topic":"no topic"}', serialize_fan_out_job(Nudge(topic.storage))) == []
    assert len(server.frames["c1="]) == 1


def test_only_the_jobs_that_failed_come_back_and_soon(
    deployed: pytest.MonkeyPatch, server: ManagementServer, topic: Topic, aws: Aws
) -> None:
    deployed.setenv("CACHE_URL", "redis://127.0.0.1:1/0")
    notify.fan_out_app.build.cache_clear()
    now_ms = time.time_ns() // 1_000_000
    jobs = [Nudge(topic.storage), Farewell("c1=", now_ms, now_ms + 60_000)]
    sqs, queue = aws.client("sqs"), os.environ["FAN_OUT_QUEUE_URL"]
    received = send(sqs, queue, *map(serialize_fan_out_job, jobs))
    failures = handler({"Records": received}, None)["batchItemFailures"]
    assert failures == [{"itemIdentifier": received[0]["messageId"]}]
    assert server.received("c1=")[0]["type"] == "bye"
    (again,) = wait_for(sqs, queue)
    assert (again["body"], receive_count(again)) == (received[0]["body"], 2)


def test_a_job_comes_back_late_that_left_lagging_connections_alone(
    deployed: pytest.MonkeyPatch, server: ManagementServer, topic: Topic, aws: Aws, histories: SyncRedisHistory
) -> None:
    """Who lags is found again only once it has lagged for a while."""
    publish(histories, topic, b"1")
    server.always["c1="] = 429
    sqs, queue = aws.client("sqs"), os.environ["FAN_OUT_QUEUE_URL"]
    received = send(sqs, queue, serialize_fan_out_job(Nudge(topic.storage)))
    hidden: list[object] = []

    def refuse(*_: object) -> None:
        raise QueueUnavailableError("SQS takes nothing.")

    deployed.setattr(SqsFanOutJobSender, "send", refuse)
    deployed.setattr(SqsRedelivery, "hide", lambda _, seconds: hidden.append(seconds))
    failures = handler({"Records": received}, None)["batchItemFailures"]
    assert failures == [{"itemIdentifier": received[0]["messageId"]}]
    assert hidden == []
