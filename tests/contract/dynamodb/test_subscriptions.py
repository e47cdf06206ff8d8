"""Subscriptions in DynamoDB: found by topic and by connection, whatever shards they are in; and live results by tag."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from msgspec.structs import replace

from push.adapters.dynamodb.subscribers import DynamoDbLiveLinks, DynamoDbLiveResults, DynamoDbSubscribers
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions, DynamoDbTopicMembers
from push.computes import Tenant
from push.errors import TransientError
from push.keys import Key
from push.tags import ALL_SCOPES
from push.topics.subscriptions import LiveResult, Right, Subscription
from push.topics.topics import SHARDS, Topic, shard_of
from tests.servers.aws import CREDENTIALS, Aws

NOW = 1_700_000_000
LATER = NOW + 8100
ACME = Tenant("acme")
NEWS = Topic(ACME, "demo:news")
KEY = Key(ACME, "leaderboard", 1, "0" * 32)
LIVE = LiveResult(KEY, ACME, msgspec.Raw(b'{"board":"b"}'), LATER)


def subscription(topic: Topic = NEWS, connection_id: str = "ann=", expires_at: int = LATER) -> Subscription:
    return Subscription(topic, connection_id, "ann", expires_at)


async def test_one_subscription_is_found_with_its_right(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    guarded = replace(subscription(), right=Right(ACME, '{"sub":"ann"}', '{"board":"b"}'))
    subscriptions.add([guarded, subscription(connection_id="bob=")])
    assert await subscribers.find(NEWS, "ann=") == guarded
    assert await subscribers.find(NEWS, "bob=") == subscription(connection_id="bob=")
    assert await subscribers.find(NEWS, "cat=") is None
    assert guarded in await everybody(subscribers, NEWS)


async def test_an_expired_subscription_is_not_found(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    subscriptions.add([subscription(expires_at=NOW)])
    assert await subscribers.find(NEWS, "ann=") is None


async def test_a_live_result_of_a_principal_is_read_as_it_was_written(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    own = replace(LIVE, key=dataclasses.replace(KEY, principal="a" * 32), principal="ada")
    subscriptions.add_live(["tag"], own)
    (found,) = await live_results.live_of(ACME, ["tag"])
    assert replace(found, written="") == own


def topics(count: int) -> list[Topic]:
    return [Topic(ACME, f"demo:{number}") for number in range(count)]


@pytest.fixture
def client(aws: Aws) -> Any:
    return aws.client("dynamodb")


@pytest.fixture
def subscriptions(aws: Aws, client: Any) -> DynamoDbSubscriptions:
    return DynamoDbSubscriptions(client, aws.tables["subscriptions"], lambda: NOW)


@pytest.fixture
def members(aws: Aws, client: Any) -> DynamoDbTopicMembers:
    return DynamoDbTopicMembers(client, aws.tables["subscriptions"], lambda: NOW)


@pytest.fixture
def subscribers(aws: Aws, client: Any) -> DynamoDbSubscribers:
    return DynamoDbSubscribers(client, aws.tables["subscriptions"], lambda: NOW)


@pytest.fixture
def live_results(aws: Aws, client: Any) -> DynamoDbLiveResults:
    return DynamoDbLiveResults(client, aws.tables["subscriptions"], lambda: NOW)


async def everybody(subscribers: DynamoDbSubscribers, topic: Topic, limit: int = 1000) -> list[Subscription]:
    found: list[Subscription] = []
    for shard in range(SHARDS):
        start = None
        while True:
            page, start = await subscribers.page(topic, shard, start, limit)
            found += page
            if start is None:
                break
    return found


async def ids(subscribers: DynamoDbSubscribers, topic: Topic = NEWS) -> set[str]:
    return {each.connection_id for each in await everybody(subscribers, topic)}


def test_a_row_says_who_subscribed_to_what_and_when_it_may_go(aws: Aws, subscriptions: DynamoDbSubscriptions) -> None:
    subscriptions.add([Subscription(NEWS, "ann=", "ann", LATER, frozenset({"patch", "gzip"}))])
    assert aws.rows("subscriptions") == [
        {
            "topic": {"S": f"acme/demo:news#{shard_of('ann=')}"},
            "connection_id": {"S": "ann="},
            "connection_shard": {"S": f"ann=#{shard_of('acme/demo:news')}"},
            "principal": {"S": "ann"},
            "options": {"S": "gzip,patch"},
            "expires_at": {"N": str(LATER)},
        }
    ]


async def test_what_is_added_is_found_among_the_subscribers_of_its_topic_alone(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    mine = Subscription(NEWS, "ann=", "ann", LATER, frozenset({"patch"}))
    subscriptions.add([mine, subscription(Topic(Tenant("other"), "demo:news"), "ben=")])
    assert await everybody(subscribers, NEWS) == [mine]


async def test_subscribing_again_replaces(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    subscriptions.add([subscription()])
    subscriptions.add([subscription(expires_at=LATER + 5), subscription(expires_at=LATER + 10)])
    assert [each.expires_at for each in await everybody(subscribers, NEWS)] == [LATER + 10]


async def test_pages_hold_each_subscriber_once(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    connections = [f"{number}=" for number in range(60)]
    subscriptions.add([subscription(connection_id=each) for each in connections])
    found = await everybody(subscribers, NEWS, limit=4)
    assert sorted(each.connection_id for each in found) == sorted(connections)


async def test_an_expired_subscription_counts_for_nothing(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers, members: DynamoDbTopicMembers
) -> None:
    subscriptions.add([subscription(expires_at=NOW), subscription(connection_id="ben=")])
    assert await ids(subscribers) == {"ben="}
    assert members.count(NEWS) == 1


async def test_a_subscription_is_removed_and_others_are_not(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    subscriptions.add([subscription(), subscription(connection_id="ben=")])
    subscriptions.remove(NEWS, "ann=")
    subscriptions.remove(NEWS, "never=")
    assert await ids(subscribers) == {"ben="}


async def test_with_a_connection_all_of_its_subscriptions_go(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    subscriptions.add([subscription(topic) for topic in topics(60)])
    subscriptions.add([subscription(topics(1)[0], "ben=")])
    removed = subscriptions.remove_connection("ann=")
    assert {topic.name for topic in removed} == {topic.name for topic in topics(60)}
    assert subscriptions.count_of("ann=") == 0
    assert await ids(subscribers, topics(1)[0]) == {"ben="}
    assert not subscriptions.remove_connection("ann=")


def test_a_connections_topics_are_counted_in_all_or_in_one_shard(subscriptions: DynamoDbSubscriptions) -> None:
    subscriptions.add([subscription(topic) for topic in topics(60)])
    subscriptions.add([subscription(NEWS, "ben=")])
    shards = [shard_of(topic.storage) for topic in topics(60)]
    assert subscriptions.count_of("ann=") == 60
    assert subscriptions.count_of("ann=", NEWS) == shards.count(shard_of(NEWS.storage))
    assert subscriptions.count_of("nobody=") == 0


def test_a_topics_members_are_told_up_to_a_number(
    subscriptions: DynamoDbSubscriptions, members: DynamoDbTopicMembers
) -> None:
    subscriptions.add([subscription(connection_id=f"{number}=") for number in range(30)])
    assert members.count(NEWS) == 30
    assert len(members.members(NEWS, 100)) == 30
    assert len(members.members(NEWS, 7)) == 7
    assert not members.members(Topic(ACME, "demo:other"), 7)


async def test_gone_connections_are_removed_many_at_once(
    subscriptions: DynamoDbSubscriptions, subscribers: DynamoDbSubscribers
) -> None:
    subscriptions.add([subscription(connection_id=f"{number}=") for number in range(60)])
    await subscribers.remove_all(NEWS, [f"{number}=" for number in range(59)] + ["0="])
    await subscribers.remove_all(NEWS, [])
    assert await ids(subscribers) == {"59="}


def keys(found: Sequence[LiveResult]) -> list[Key]:
    return [live.key for live in found]


async def test_live_results_are_found_by_any_of_their_tags_once(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    subscriptions.add_live(["board/b", "season"], LIVE)
    (found,) = await live_results.live_of(ACME, ["board/b", "season", "unknown"])
    assert (found.key, found.tenant, bytes(found.params), found.expires_at) == (KEY, ACME, b'{"board":"b"}', LATER)


async def test_tags_are_a_tenants_own(subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults) -> None:
    shared = LiveResult(Key(None, "sun", 1, "1" * 32), ACME, LIVE.params, LATER)
    subscriptions.add_live(["tag"], LIVE)
    subscriptions.add_live(["tag"], shared)
    assert keys(await live_results.live_of(ACME, ["tag"])) == [KEY]
    assert keys(await live_results.live_of(None, ["tag"])) == [shared.key]
    assert keys(await live_results.live_of(Tenant("other"), ["tag"])) == []


async def test_a_worker_links_tags_as_a_subscription_does(
    aws: Aws, client: Any, live_results: DynamoDbLiveResults
) -> None:
    await DynamoDbLiveLinks(client, aws.tables["subscriptions"], lambda: NOW).add(["late"], LIVE)
    for scope in (ACME, ALL_SCOPES):
        (found,) = await live_results.live_of(scope, ["late"])
        assert replace(found, written="") == LIVE
    with pytest.raises(TransientError):
        await DynamoDbLiveLinks(client, "none").add(["late"], LIVE)


async def test_the_live_results_of_all_scopes_are_found_together(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    globex = replace(LIVE, key=dataclasses.replace(KEY, tenant=Tenant("globex")))
    shared = replace(LIVE, key=dataclasses.replace(KEY, tenant=None))
    for live in (LIVE, globex, shared):
        subscriptions.add_live(["tag", "other"], live)
    found = keys(await live_results.live_of(ALL_SCOPES, ["tag"]))
    assert sorted(found, key=str) == sorted([KEY, globex.key, shared.key], key=str)
    assert not await live_results.live_of(ALL_SCOPES, ["unknown"])


async def test_the_live_results_of_all_tenants_are_found_by_a_tag_of_a_source(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    globex = replace(LIVE, key=dataclasses.replace(KEY, tenant=Tenant("globex")))
    for live in (LIVE, globex):
        subscriptions.add_live(["@orders"], live)
    found = await live_results.live_of(None, ["@orders"])
    assert sorted(keys(found), key=str) == sorted([KEY, globex.key], key=str)
    await live_results.remove_live(["@orders"], found[0])
    assert keys(await live_results.live_of(None, ["@orders"])) == [found[1].key]


class CountedClient:
    """A client of DynamoDB that counts the calls of each operation."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: Counter[str] = Counter()

    def __getattr__(self, operation: str) -> Any:
        self.calls[operation] += 1
        return getattr(self._client, operation)


@pytest.mark.parametrize("mark", ["", "@"])
async def test_the_live_results_of_a_few_of_many_tags_are_found_in_few_calls(
    aws: Aws, client: Any, subscriptions: DynamoDbSubscriptions, mark: str
) -> None:
    """As many as a batch of 100 records may raise."""
    tags = [f"{mark}orders#{number}" for number in range(1000)]
    shared = replace(LIVE, key=dataclasses.replace(KEY, tenant=None))
    subscriptions.add_live([tags[700]], LIVE)
    subscriptions.add_live([tags[999]], shared)
    counted = CountedClient(client)
    live_results = DynamoDbLiveResults(counted, aws.tables["subscriptions"], lambda: NOW)
    found = await live_results.live_of(ACME, tags)
    assert sorted(keys(found), key=str) == sorted([KEY, *([shared.key] if mark else [])], key=str)
    assert counted.calls == {"batch_get_item": 10, "query": 2 if mark else 1}
    await live_results.remove_live(tags, next(each for each in found if each.key == KEY))
    assert KEY not in keys(await live_results.live_of(ACME, tags))
    assert counted.calls["delete_item"] <= 2


async def test_an_expired_live_result_is_not_found(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    subscriptions.add_live(["tag"], LiveResult(KEY, ACME, LIVE.params, NOW))
    assert not await live_results.live_of(ACME, ["tag"])


async def test_a_live_result_is_removed_as_it_was_read(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    subscriptions.add_live(["tag"], LIVE)
    (read,) = await live_results.live_of(ACME, ["tag"])
    await live_results.remove_live(["tag", "never"], read)
    assert not await live_results.live_of(ACME, ["tag"])


async def test_who_subscribes_while_a_live_result_is_removed_keeps_it(
    subscriptions: DynamoDbSubscriptions, live_results: DynamoDbLiveResults
) -> None:
    subscriptions.add_live(["tag"], LIVE)
    (read,) = await live_results.live_of(ACME, ["tag"])
    subscriptions.add_live(["tag"], LIVE)
    await live_results.remove_live(["tag"], read)
    assert keys(await live_results.live_of(ACME, ["tag"])) == [KEY]


class Unreachable:
    """A table on a port that nobody listens on."""

    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.2, read_timeout=0.2)

    def client(self) -> Any:
        return boto3.client("dynamodb", endpoint_url="http://127.0.0.1:1", config=self.config, **CREDENTIALS)


async def test_a_table_that_does_not_answer_is_transient() -> None:
    client = Unreachable().client()
    subscriptions = DynamoDbSubscriptions(client, "none")
    for attempt in (
        lambda: subscriptions.add([subscription()]),
        lambda: subscriptions.remove(NEWS, "ann="),
        lambda: subscriptions.remove_connection("ann="),
        lambda: subscriptions.count_of("ann="),
        lambda: subscriptions.add_live(["tag"], LIVE),
        lambda: DynamoDbTopicMembers(client, "none").count(NEWS),
    ):
        with pytest.raises(TransientError):
            attempt()
    with pytest.raises(TransientError):
        await DynamoDbSubscribers(client, "none").page(NEWS, 0)
    with pytest.raises(TransientError):
        await DynamoDbLiveResults(client, "none").live_of(ACME, ["tag"])


async def test_what_can_not_be_removed_is_left_to_expire() -> None:
    client = Unreachable().client()
    await DynamoDbSubscribers(client, "none").remove_all(NEWS, ["ann="])
    await DynamoDbLiveResults(client, "none").remove_live(["tag"], LIVE)


class Unwilling:
    """A table that takes a part of each batch, or nothing of any."""

    def __init__(self, client: Any, *, takes: int) -> None:
        self._client = client
        self._takes = takes

    def batch_write_item(self, *, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        ((table, writes),) = RequestItems.items()
        taken, left = writes[: self._takes], writes[self._takes :]
        if taken:
            self._client.batch_write_item(RequestItems={table: taken})
        return {"UnprocessedItems": {table: left} if left else {}}


async def test_what_a_batch_did_not_take_is_written_again(
    aws: Aws, client: Any, subscribers: DynamoDbSubscribers
) -> None:
    slow = DynamoDbSubscriptions(Unwilling(client, takes=1), aws.tables["subscriptions"])
    slow.add([subscription(), subscription(connection_id="ben="), subscription(connection_id="eva=")])
    assert await ids(subscribers) == {"ann=", "ben=", "eva="}


def test_a_table_that_takes_nothing_is_transient(client: Any) -> None:
    with pytest.raises(TransientError):
        DynamoDbSubscriptions(Unwilling(client, takes=0), "any").add([subscription()])
