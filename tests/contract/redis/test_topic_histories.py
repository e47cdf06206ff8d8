"""The contract of topics' histories, held by both Redis clients, by a cluster, and by the tests' model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.histories import TOPIC_KEPT_MS, RedisHistory, SyncRedisHistory
from push.errors import CacheUnavailableError
from push.settings import CacheSettings
from push.topics.histories import NewMessage
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.contract.redis.topic_stores import TopicStores, in_model, in_redis, unique_topic

KINDS = ("model", "sync model", "redis_url", "sync redis_url", "redis_cluster_url", "sync redis_cluster_url")


@pytest.fixture(params=KINDS)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[TopicStores]:
    where, kind = request.param.split()[-1], request.param.split()[0]
    if where == "model":
        yield in_model(kind)
        return
    async with in_redis(kind, request.getfixturevalue(where)) as (stores, _):
        yield stores


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
async def in_real(request: pytest.FixtureRequest) -> AsyncIterator[tuple[TopicStores, AsyncRedis]]:
    async with in_redis("async", request.getfixturevalue(request.param)) as opened:
        yield opened


@pytest.fixture
def topic() -> Topic:
    return unique_topic()


async def read_data(stores: TopicStores, topic: Topic, after: Position, limit: int = 100) -> list[bytes] | None:
    """What follows a position; None if something is missing."""
    history = await stores.histories.read(topic, after, limit)
    return [message.data for message in history.messages] if history.is_complete else None


async def test_offsets_count_from_one_without_gaps(stores: TopicStores, topic: Topic) -> None:
    positions = (
        await stores.append(topic, b"1") + await stores.append(topic, b"2", b"3") + await stores.append(topic, b"4")
    )
    assert [position.offset for position in positions] == [1, 2, 3, 4]
    assert len({position.epoch for position in positions}) == 1
    assert await stores.histories.head(topic) == positions[-1]


async def test_what_comes_after_a_position_is_read_in_order(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, *(b"%d" % number for number in range(1, 13)))
    assert await read_data(stores, topic, positions[8]) == [b"10", b"11", b"12"]
    assert await read_data(stores, topic, positions[-1]) == []
    history = await stores.histories.read(topic, positions[1], 3)
    assert [message.position for message in history.messages] == positions[2:5]
    assert (history.is_complete, history.head, history.end) == (True, positions[-1], positions[4])


async def test_a_position_taken_before_the_first_message_is_one_to_resume_from(
    stores: TopicStores, topic: Topic
) -> None:
    before = await stores.histories.head(topic)
    assert before.offset == 0
    assert await read_data(stores, topic, before) == []
    await stores.append(topic, b"1", b"2")
    assert await read_data(stores, topic, before) == [b"1", b"2"]


async def test_a_message_keeps_what_it_was_published_with(stores: TopicStores, topic: Topic) -> None:
    new = NewMessage(b'{"text":"\xc3\xa9"}', id="robot/7", etag="abc")
    (appended,) = await stores.histories.append(topic, [new], size=5, seconds=60)
    (message,) = (await stores.histories.read_latest(topic, 5)).messages
    assert (message.position, message.data, message.id, message.etag) == (appended.position, new.data, new.id, new.etag)
    assert message.published_at_ms > 1_700_000_000_000


async def test_of_too_many_the_latest_are_kept_and_the_others_said_to_be_missing(
    stores: TopicStores, topic: Topic
) -> None:
    positions = [position for number in range(9) for position in await stores.append(topic, b"%d" % number, size=4)]
    assert await read_data(stores, topic, positions[4]) == [b"5", b"6", b"7", b"8"]
    assert await read_data(stores, topic, positions[3]) is None
    missing = await stores.histories.read(topic, positions[0], 100)
    assert [message.data for message in missing.messages] == [b"8"]
    assert missing.end == missing.head == positions[-1]


async def test_a_page_is_never_begun_beyond_a_gap(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, *[b"x"] * 10)
    page = await stores.histories.read(topic, positions[0], 3)
    await stores.append(topic, *[b"y"] * 10, size=5)
    assert not (await stores.histories.read(topic, page.end, 3)).is_complete


async def test_what_is_too_old_is_said_to_be_missing(stores: TopicStores, topic: Topic) -> None:
    before = await stores.histories.head(topic)
    (first,) = await stores.append(topic, b"old", seconds=1)
    await stores.wait(700)
    (second,) = await stores.append(topic, b"newer", seconds=1)
    await stores.wait(700)
    await stores.append(topic, b"newest", seconds=1)
    assert await read_data(stores, topic, before) is None
    assert await read_data(stores, topic, first) == [b"newer", b"newest"]
    await stores.wait(1100)
    assert await read_data(stores, topic, second) is None
    assert (await stores.histories.read(topic, second, 5)).messages == ()


async def test_who_has_all_of_what_grew_too_old_misses_nothing(stores: TopicStores, topic: Topic) -> None:
    (position,) = await stores.append(topic, b"1", seconds=1)
    await stores.wait(1100)
    assert await read_data(stores, topic, position) == []
    assert (await stores.append(topic, b"2"))[0].offset == 2
    assert await read_data(stores, topic, position) == [b"2"]


async def test_an_id_is_appended_once(stores: TopicStores, topic: Topic) -> None:
    async def append(*ids: str) -> list[tuple[int, bool]]:
        messages = [NewMessage(b"1", id=each) for each in ids]
        appended = await stores.histories.append(topic, messages, size=100, seconds=60)
        return [(each.position.offset, each.is_new) for each in appended]

    assert await append("a") == [(1, True)]
    assert await append("a") == [(1, False)]
    assert await append("b", "a", "b", "", "") == [(2, True), (1, False), (2, False), (3, True), (4, True)]
    assert (await stores.histories.head(topic)).offset == 4


async def test_ids_are_a_topics_own(stores: TopicStores, topic: Topic) -> None:
    for each in (topic, unique_topic(), Topic(unique_topic("globex").scope, topic.name)):
        (appended,) = await stores.histories.append(each, [NewMessage(b"1", id="a")], size=9, seconds=60)
        assert appended.is_new


async def test_topics_of_one_name_are_each_tenants_own(stores: TopicStores, topic: Topic) -> None:
    other = Topic(unique_topic("globex").scope, topic.name)
    await stores.append(topic, b"secret")
    assert (await stores.histories.read_latest(other, 5)).messages == ()


async def test_an_unchanged_result_is_not_appended_where_only_changes_are(stores: TopicStores, topic: Topic) -> None:
    standing = []
    for etag in ("a", "a", "b", "a"):
        appended = await stores.histories.append(
            topic, [NewMessage(b"1", etag=etag)], size=2, seconds=60, only_changed=True
        )
        standing += [(each.position.offset, each.is_new) for each in appended]
    assert standing == [(1, True), (1, False), (2, True), (3, True)]


async def test_the_latest_are_read_oldest_first(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2", b"3")
    latest = await stores.histories.read_latest(topic, 2)
    assert [message.data for message in latest.messages] == [b"2", b"3"]
    assert latest.head == positions[-1]
    assert len((await stores.histories.read_latest(topic, 50)).messages) == 3


async def test_a_lost_store_begins_another_epoch(stores: TopicStores, topic: Topic) -> None:
    before = await stores.append(topic, b"1", b"2")
    await stores.flush()
    after = await stores.append(topic, b"3")
    assert after[0].offset == 1
    assert after[0].epoch != before[0].epoch
    assert await read_data(stores, topic, before[0]) is None
    assert [message.data for message in (await stores.histories.read(topic, before[0], 9)).messages] == [b"3"]


async def test_a_position_beyond_the_head_is_no_position_here(stores: TopicStores, topic: Topic) -> None:
    (position,) = await stores.append(topic, b"1")
    assert await read_data(stores, topic, Position(position.epoch, 7)) is None
    assert await stores.histories.head(topic) == position


async def test_a_part_of_a_topic_that_redis_evicted_is_never_a_silent_gap(
    in_real: tuple[TopicStores, AsyncRedis], topic: Topic
) -> None:
    stores, redis = in_real
    positions = await stores.append(topic, b"1", b"2", b"3")
    await redis.run("DEL", f"{{{topic.storage}}}:history")
    assert await read_data(stores, topic, positions[1]) is None
    assert await read_data(stores, topic, positions[2]) == []
    await stores.append(topic, b"4")
    assert await read_data(stores, topic, positions[1]) is None
    assert await read_data(stores, topic, positions[2]) == [b"4"]
    await redis.run("DEL", f"{{{topic.storage}}}:topic")
    assert await read_data(stores, topic, positions[2]) is None
    (begun,) = await stores.append(topic, b"5")
    assert begun.offset == 1
    assert await read_data(stores, topic, Position(begun.epoch, 0)) == [b"5"]


async def test_nothing_is_kept_for_ever(in_real: tuple[TopicStores, AsyncRedis], topic: Topic) -> None:
    stores, redis = in_real
    await stores.histories.head(topic)
    name = f"{{{topic.storage}}}:"
    assert 0 < await redis.run("PTTL", f"{name}topic") <= TOPIC_KEPT_MS
    await stores.histories.append(topic, [NewMessage(b"1", id="a")], size=9, seconds=60)
    for kind, kept_ms in (("topic", TOPIC_KEPT_MS + 60_000), ("history", 60_000), ("message:a", 600_000)):
        assert kept_ms - 5000 < await redis.run("PTTL", name + kind) <= kept_ms, kind


async def test_without_redis_the_error_says_so(topic: Topic) -> None:
    settings = CacheSettings(cache_url="redis://127.0.0.1:1/0")
    redis, histories = AsyncRedis(settings), SyncRedisHistory(SyncRedis(settings))
    with pytest.raises(CacheUnavailableError):
        histories.append(topic, [NewMessage(b"1")], size=9, seconds=60)
    with pytest.raises(CacheUnavailableError):
        histories.head(topic)
    with pytest.raises(CacheUnavailableError):
        await RedisHistory(redis).read(topic, Position("e", 0), 5)
    await redis.close()
