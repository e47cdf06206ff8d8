"""The handler of changes, over a real Redis and without one."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

import notify.changes_app
from compute.leaderboard import BoardReader
from push.adapters.dynamodb.scores import DynamoDbScores
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from push.adapters.redis.connection import AsyncRedis, shared_async_redis
from push.adapters.redis.leaderboards import RedisLeaderboards
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.tags import RedisTags
from push.adapters.wiring import event_loop
from push.cache.jobs import Job, JobKind, parse_job
from push.cache.ports import Claimed
from push.computes import Tenant
from push.keys import Key
from push.settings import CacheSettings, ChangeSettings, read_settings
from push.sources.boards import Entry, Top
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import live_topic
from tests.builders.change_records import (
    BUILT_IN_SOURCES,
    document_record,
    message,
    notification,
    score_record,
    text,
)
from tests.builders.results import NOW_MS, make_result, unique_key
from tests.servers.aws import Aws
from tests.servers.queues import send, wait_for

ACME = Tenant("acme")


@dataclass(frozen=True)
class Cache:
    """What those who compute left in Redis."""

    redis: AsyncRedis
    boards: RedisLeaderboards

    async def store(self, *tags: str) -> Key:
        key, leases = unique_key(), RedisLeases(self.redis)
        claimed = await leases.claim(key, "queued 1", 4000, {})
        assert isinstance(claimed, Claimed)
        await RedisTags(self.redis).enlist(key, tags, 60_000)
        await leases.fill(key, claimed, make_result(tags=tags), 4000, NOW_MS)
        return key

    async def is_stale(self, key: Key) -> bool:
        return bool(await self.redis.run("GETRANGE", f"{{{key.storage}}}:result", 4, 4) == b"\x01")


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[Cache]:
    redis = AsyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000))
    yield Cache(redis, RedisLeaderboards(redis))
    await redis.close()


@pytest.fixture
def compute_queue(aws: Aws) -> str:
    url: str = aws.client("sqs").create_queue(QueueName=f"compute-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    return url


@pytest.fixture
def change_queue(aws: Aws) -> str:
    url: str = aws.client("sqs").create_queue(QueueName=f"change-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    return url


@pytest.fixture
def failed_queue(aws: Aws) -> str:
    url: str = aws.client("sqs").create_queue(QueueName=f"failed-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    return url


@pytest.fixture
def invoke(
    environment: pytest.MonkeyPatch, redis_url: str, aws: Aws, compute_queue: str, change_queue: str, failed_queue: str
) -> Any:
    """Run the handler as Lambda does: on a thread without a running loop."""
    environment.setenv("BUILT_IN_SOURCES", BUILT_IN_SOURCES)
    environment.setenv("CHANGE_DEAD_LETTER_QUEUE_URL", failed_queue)
    environment.setenv("COMPUTE_QUEUE_URL", compute_queue)
    environment.setenv("CHANGE_QUEUE_URL", change_queue)
    environment.setenv("STORAGE_BUCKET", aws.bucket)
    environment.setenv("CACHE_URL", redis_url)
    environment.setenv("CACHE_TIMEOUT_MS", "2000")
    environment.setenv("POWERTOOLS_SERVICE_NAME", "change")
    environment.setenv("POWERTOOLS_METRICS_NAMESPACE", "Pushaside")
    return invoke_handler


async def invoke_handler(*records: dict[str, Any]) -> list[str]:
    answer = await asyncio.to_thread(notify.changes_app.handler, {"Records": list(records)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture(autouse=True)
def new_environment(environment: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin and end an execution environment: its clients belong to its loop."""
    notify.changes_app.build.cache_clear()
    event_loop._loop.cache_clear()
    yield
    event_loop.run(shared_async_redis(read_settings(ChangeSettings, os.environ)).close())
    event_loop._loop().close()
    event_loop._loop.cache_clear()
    notify.changes_app.build.cache_clear()


@pytest.fixture
def collection() -> str:
    return uuid.uuid4().hex


Invoke = Callable[..., Any]


async def test_a_changed_row_makes_the_results_from_its_document_stale(
    invoke: Invoke, cache: Cache, collection: str
) -> None:
    one = await cache.store(f"documents:{collection}/CA")
    every = await cache.store(f"documents:{collection}")
    other = await cache.store(f"documents:{collection}/TX")
    assert await invoke(document_record(f"acme/{collection}", "CA")) == []
    assert [await cache.is_stale(key) for key in (one, every, other)] == [True, True, False]


async def test_a_changed_object_does_so_too(invoke: Invoke, cache: Cache, collection: str) -> None:
    key = await cache.store(f"documents:{collection}/CA")
    assert await invoke(message(notification(f"documents/acme/{collection}/CA.json"))) == []
    assert await cache.is_stale(key)


async def test_a_changed_score_is_on_the_board_and_its_results_are_stale(
    invoke: Invoke, cache: Cache, collection: str, aws: Aws
) -> None:
    key = await cache.store(f"leaderboard:{collection}")
    reader = BoardReader(DynamoDbScores(aws.client("dynamodb"), aws.tables["scores"]), cache.boards)
    aws.put_scores("acme", collection, {"ada": 1.0, "bob": 2.0, "cyd": 3.0})
    assert await scores_of(reader, collection) == [3.0, 2.0, 1.0]
    aws.put_scores("acme", collection, {"ada": 5.0})
    row = {"board": text(f"acme/{collection}"), "member": text("cyd")}
    aws.client("dynamodb").delete_item(TableName=aws.tables["scores"], Key=row)
    board = f"acme/{collection}"
    assert await invoke(score_record(board, "ada", "5", "1"), score_record(board, "cyd", None, "2")) == []
    found = await reader.read(ACME, collection, Top(9))
    assert found.entries == [Entry(1, "ada", 5.0), Entry(2, "bob", 2.0)]
    assert await cache.is_stale(key)


async def test_a_change_that_is_older_than_the_board_does_not_undo_a_newer_one(
    invoke: Invoke, cache: Cache, collection: str, aws: Aws
) -> None:
    """A slow consumer of the stream, and a board that expired meanwhile: subscribers once saw 10, 20, 15, 20."""
    scores = DynamoDbScores(aws.client("dynamodb"), aws.tables["scores"])
    reader, seen = BoardReader(scores, cache.boards), []
    for score in (10.0, 15.0, 20.0):
        aws.put_scores("acme", collection, {"ada": score})
        if score == 10.0:
            seen += await scores_of(reader, collection)
    await cache.redis.run("DEL", f"{{acme/{collection}}}:board")
    seen += await scores_of(reader, collection)
    for number, score in enumerate(("15", "20"), start=1):
        await invoke(score_record(f"acme/{collection}", "ada", score, str(number)))
        seen += await scores_of(reader, collection)
    assert seen == [10.0, 20.0, 20.0, 20.0]


async def scores_of(reader: BoardReader, board: str) -> list[float]:
    return [entry.score for entry in (await reader.read(ACME, board, Top(9))).entries]


async def test_another_tenants_change_touches_nothing(invoke: Invoke, cache: Cache, collection: str) -> None:
    key = await cache.store(f"documents:{collection}/CA")
    await invoke(document_record(f"globex/{collection}", "CA"))
    assert not await cache.is_stale(key)


async def test_what_cant_be_read_is_passed_over_and_counted(
    invoke: Invoke, cache: Cache, collection: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await cache.store(f"documents:{collection}/CA")
    assert (
        await invoke(document_record("unreadable", "CA", "1"), document_record(f"acme/{collection}", "CA", "2")) == []
    )
    assert await cache.is_stale(key)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    counted = {name: value for line in metrics for name, value in line.items()}
    assert counted["UnreadableChange"] == [1.0]
    assert counted["Invalidated"] == [1.0]
    assert (counted["Change"], counted["Source"]) == ([2.0], "documents")


async def test_without_redis_a_stream_is_read_again_from_the_first_change_on(
    invoke: Invoke, environment: pytest.MonkeyPatch, collection: str
) -> None:
    environment.setenv("CACHE_URL", "redis://127.0.0.1:1/0")
    records = [document_record(f"acme/{collection}", "CA", number) for number in ("11", "12", "13")]
    assert await invoke(document_record("unreadable", "CA", "10"), *records) == ["11"]


async def test_without_redis_messages_come_back_soon_but_for_those_that_can_not_be_read(
    invoke: Invoke, environment: pytest.MonkeyPatch, collection: str, aws: Aws, change_queue: str
) -> None:
    environment.setenv("CACHE_URL", "redis://127.0.0.1:1/0")
    bodies = [notification(f"documents/acme/{collection}/{name}.json") for name in ("CA", "TX")]
    sqs = aws.client("sqs")
    ca, unreadable, tx = send(sqs, change_queue, bodies[0], "{", bodies[1])
    assert await invoke(ca, unreadable, tx) == [ca["messageId"], tx["messageId"]]
    again = await asyncio.to_thread(wait_for, sqs, change_queue)
    assert {each["body"] for each in again} <= set(bodies)


@pytest.mark.parametrize(
    ("raised", "is_reached"),
    [
        ({"tenant": "acme"}, True),
        ({"scope": "all"}, True),
        ({"tenant": "globex"}, False),
        ({"scope": "shared"}, False),
    ],
)
async def test_a_raised_tag_makes_the_results_of_its_scope_stale(
    invoke: Invoke, cache: Cache, collection: str, raised: dict[str, str], is_reached: bool
) -> None:
    key, other = await cache.store(f"rates/{collection}"), await cache.store(f"fees/{collection}")
    assert await invoke(message(json.dumps({"tags": [f"rates/{collection}"], **raised}))) == []
    assert (await cache.is_stale(key), await cache.is_stale(other)) == (is_reached, False)


@pytest.mark.parametrize("raised", [{"tenant": "acme"}, {"scope": "all"}])
async def test_a_raised_tag_has_what_somebody_subscribes_to_computed_anew_and_nothing_else(
    invoke: Invoke, cache: Cache, aws: Aws, compute_queue: str, collection: str, raised: dict[str, str]
) -> None:
    tag = f"rates/{collection}"
    await cache.store(tag)
    key = unique_key()
    live = LiveResult(key, ACME, msgspec.Raw(b"{}"), int(time.time()) + 60)
    subscriptions = DynamoDbSubscriptions(aws.client("dynamodb"), aws.tables["subscriptions"])
    subscriptions.add([Subscription(live_topic(key), "ann=", "ann", live.expires_at)])
    subscriptions.add_live([tag], live)
    assert await invoke(message(json.dumps({"tags": [tag], **raised}))) == []
    (job,) = jobs_in(aws, compute_queue)
    assert (job.kind, job.compute, job.tenant) == (JobKind.LIVE, key.compute, ACME)


def jobs_in(aws: Aws, queue: str) -> list[Job]:
    answer = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [parse_job(each["Body"]) for each in answer.get("Messages", ())]


@pytest.mark.parametrize("debounce_ms", ["0", "60000"])
async def test_what_somebody_subscribes_to_is_computed_anew(
    invoke: Invoke,
    environment: pytest.MonkeyPatch,
    aws: Aws,
    compute_queue: str,
    collection: str,
    debounce_ms: str,
) -> None:
    environment.setenv("LIVE_DEBOUNCE_MS", debounce_ms)
    key = unique_key()
    live = LiveResult(key, ACME, msgspec.Raw(b'{"text":"a"}'), int(time.time()) + 60)
    subscriptions = DynamoDbSubscriptions(aws.client("dynamodb"), aws.tables["subscriptions"])
    subscriptions.add([Subscription(live_topic(key), "ann=", "ann", live.expires_at)])
    subscriptions.add_live([f"documents:{collection}"], live)
    before_ms = time.time_ns() // 1_000_000

    for number in range(2):
        assert await invoke(document_record(f"acme/{collection}", f"CA{number}")) == []

    jobs = jobs_in(aws, compute_queue)
    assert len(jobs) == (2 if debounce_ms == "0" else 1)
    assert (jobs[0].kind, jobs[0].compute, bytes(jobs[0].params)) == (JobKind.LIVE, key.compute, b'{"text":"a"}')
    assert jobs[0].newer_than_ms >= before_ms
