"""The handler of changes, over a real Redis and without one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
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
from push.sources.boards import ChangedMembers, Entry, Top
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import live_topic
from tests.builders.change_records import (
    BUILT_IN_SOURCES,
    TOPIC_ARN,
    document_record,
    event_of,
    message,
    notification,
    row_record,
    score_record,
    stream_record,
    text,
    topic_message,
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

    async def store(self, *tags: str, tenant: Tenant | None = ACME) -> Key:
        key, leases = replace(unique_key(), tenant=tenant), RedisLeases(self.redis)
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


SOURCES = {
    "tables": {"Orders": {"name": "shop-Orders", "indexes": {"by-status": ["status"]}}},
    "buckets": {"Files": {"name": "shop-files"}},
    "streams": {
        "ledger": {"name": "shop-ledger"},
        "rows": {"name": "shop-rows", "format": "debezium"},
    },
    "events": {"prices": {}},
    "notifications": {"deals": {"arn": TOPIC_ARN.format("deals")}},
}

OWN_FUNCTIONS = """
import os

from push import ChangedTag, changes_of


@changes_of("ledger")
def by_account(record):
    prefix = os.environ[record.body.get("prefix", "PREFIX")]
    return [ChangedTag(prefix + record.body["account"], "acme")]


@changes_of("prices")
async def by_sku(record):
    return ["sku:" + record.body["detail"]["sku"]]


@changes_of("deals")
def by_deal(record):
    return ["deal:" + record.body["deal"]]
"""


@pytest.fixture
def invoke_own(invoke: Invoke, environment: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the handler with the sources and functions of an application."""
    (tmp_path / "own_functions.py").write_text(OWN_FUNCTIONS)
    environment.syspath_prepend(tmp_path)
    environment.delitem(sys.modules, "own_functions", raising=False)
    environment.setenv("COMPUTE_MODULES", "own_functions")
    environment.setenv("COMPUTE_ENVIRONMENT", '{"PREFIX":"account:"}')
    environment.setenv("SOURCES", json.dumps(SOURCES))
    return invoke


async def test_a_function_of_the_application_turns_records_of_a_stream_into_tags(
    invoke_own: Invoke, cache: Cache, collection: str
) -> None:
    key, other = await cache.store(f"account:{collection}"), await cache.store(f"account:{collection}-2")
    assert await invoke_own(stream_record("shop-ledger", {"account": collection})) == []
    assert (await cache.is_stale(key), await cache.is_stale(other)) == (True, False)


async def test_events_and_notifications_reach_their_functions(
    invoke_own: Invoke, cache: Cache, collection: str
) -> None:
    sku, deal = await cache.store(f"sku:{collection}"), await cache.store(f"deal:{collection}")
    event = {"pushaside_source": "prices", "event": event_of("shop.prices", "Changed", {"sku": collection})}
    published = topic_message("deals", json.dumps({"deal": collection}))
    assert await invoke_own(message(json.dumps(event), "m1"), message(json.dumps(published), "m2")) == []
    assert await cache.is_stale(sku)
    assert await cache.is_stale(deal)


async def test_a_write_to_a_table_reaches_what_was_read_of_the_row(
    invoke_own: Invoke, cache: Cache, collection: str
) -> None:
    row = await cache.store(f"@shop-Orders#id={collection}", tenant=None)
    before = await cache.store(f"@shop-Orders?status=open-{collection}", tenant=None)
    after = await cache.store(f"@shop-Orders?status=sent-{collection}", tenant=None)
    other = await cache.store(f"@shop-Orders#id={collection}-2", tenant=None)
    old, new = ({"status": text(f"{status}-{collection}")} for status in ("open", "sent"))
    assert await invoke_own(row_record("shop-Orders", {"id": text(collection)}, old=old, new=new)) == []
    assert [await cache.is_stale(key) for key in (row, before, after, other)] == [True, True, True, False]


async def test_an_event_of_s3_reaches_what_was_listed_of_the_folder(
    invoke_own: Invoke, cache: Cache, collection: str
) -> None:
    folder = await cache.store(f"@s3:shop-files/{collection}/", tenant=None)
    detail = {"bucket": {"name": "shop-files"}, "object": {"key": f"{collection}/a b.json"}}
    assert await invoke_own(message(json.dumps(event_of("aws.s3", "Object Created", detail)))) == []
    assert await cache.is_stale(folder)


async def test_a_row_of_a_database_reaches_what_names_its_key(
    invoke_own: Invoke, cache: Cache, collection: str
) -> None:
    row = await cache.store(f"rows:public.orders#{collection}")
    event = {"op": "u", "source": {"db": "shop", "schema": "public", "table": "orders"}, "after": {"id": collection}}
    assert await invoke_own(stream_record("shop-rows", event, partition_key=json.dumps({"id": collection}))) == []
    assert await cache.is_stale(row)


async def test_a_record_that_a_function_fails_at_waits_until_it_is_sent_again(
    invoke_own: Invoke,
    environment: pytest.MonkeyPatch,
    cache: Cache,
    collection: str,
    aws: Aws,
    failed_queue: str,
) -> None:
    keys = [await cache.store(f"{prefix}:{collection}") for prefix in ("account", "corrected")]
    poison = stream_record("shop-ledger", {"account": collection, "prefix": "LATER"}, number="1")
    assert await invoke_own(poison, stream_record("shop-ledger", {"account": collection}, number="2")) == []
    assert [await cache.is_stale(key) for key in keys] == [True, False]
    (letter,) = await asyncio.to_thread(wait_for, aws.client("sqs"), failed_queue)
    assert "KeyError('LATER')" in json.loads(letter["body"])["reason"]

    assert await invoke_own(letter) == []
    (letter,) = await asyncio.to_thread(wait_for, aws.client("sqs"), failed_queue)
    environment.setenv("LATER", "corrected:")
    assert await invoke_own(letter) == []
    assert await cache.is_stale(keys[1])


async def test_a_record_too_large_for_a_message_is_kept_too(invoke_own: Invoke, aws: Aws, failed_queue: str) -> None:
    assert await invoke_own(stream_record("shop-ledger", {"noise": os.urandom(600_000).hex()})) == []
    (letter,) = await asyncio.to_thread(wait_for, aws.client("sqs"), failed_queue)
    assert letter["body"].startswith("claim:")
    assert await invoke_own(letter) == [], "it is read, fails again, and is kept again"
    assert len(await asyncio.to_thread(wait_for, aws.client("sqs"), failed_queue)) == 1


async def test_the_members_of_a_board_are_marked_together(
    invoke: Invoke, cache: Cache, collection: str, aws: Aws
) -> None:
    reader = BoardReader(DynamoDbScores(aws.client("dynamodb"), aws.tables["scores"]), cache.boards)
    aws.put_scores("acme", collection, {"ada": 1.0})
    assert await scores_of(reader, collection) == [1.0]
    board = f"acme/{collection}"
    assert await invoke(*(score_record(board, f"m{n}", "1", str(n)) for n in range(20))) == []
    changed = await cache.boards.read(ACME, collection, Top(9), 0)
    assert isinstance(changed, ChangedMembers)
    assert set(changed.members) == {f"m{n}" for n in range(20)}
