"""The contract of `ShardProgress`, held by Redis, by a cluster, and by the tests' model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest

from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.shard_progress import LAGGING_KEPT_MS, RedisShardProgress
from push.errors import CacheUnavailableError
from push.settings import CacheSettings
from push.topics.histories import Round, ShardBusy
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.contract.redis.topic_stores import TopicStores, in_model, in_redis, unique_topic

SHARD, TERM_MS, LIMIT = 2, 5000, 10


@pytest.fixture(params=["model", "redis_url", "redis_cluster_url"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[TopicStores]:
    if request.param == "model":
        yield in_model("async")
        return
    async with in_redis("async", request.getfixturevalue(request.param)) as (stores, _):
        yield stores


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
async def in_real(request: pytest.FixtureRequest) -> AsyncIterator[tuple[TopicStores, AsyncRedis]]:
    async with in_redis("async", request.getfixturevalue(request.param)) as opened:
        yield opened


@pytest.fixture
def topic() -> Topic:
    return unique_topic()


class Worker:
    """One who fans a topic's shard out under a token of its own."""

    def __init__(self, stores: TopicStores, topic: Topic, token: str = "a", limit: int = LIMIT) -> None:
        self._progress, self._topic, self._token, self._limit = stores.progress, topic, token, limit

    async def begin(self, term_ms: int = TERM_MS) -> Round | ShardBusy:
        return await self._progress.begin(self._topic, SHARD, self._token, term_ms, self._limit)

    async def advance(self, pushed: Position, lagging: Mapping[str, Position] | None = None) -> Round | ShardBusy:
        return await self._progress.advance(
            self._topic, SHARD, self._token, pushed, lagging or {}, TERM_MS, self._limit
        )

    async def begin_round(self, term_ms: int = TERM_MS) -> Round:
        return round_of(await self.begin(term_ms))

    async def advance_round(self, pushed: Position, lagging: Mapping[str, Position] | None = None) -> Round:
        return round_of(await self.advance(pushed, lagging))


def round_of(reply: Round | ShardBusy) -> Round:
    assert isinstance(reply, Round)
    return reply


def data(found: Round) -> list[bytes]:
    return [message.data for message in found.history.messages]


async def test_what_was_appended_is_pushed_from_the_first_on(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2")
    found = await Worker(stores, topic).begin_round()
    assert (data(found), found.after.offset, found.history.end) == ([b"1", b"2"], 0, positions[-1])


async def test_rounds_follow_each_other_until_nothing_is_left(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1", b"2", b"3")
    worker = Worker(stores, topic, limit=2)
    first = await worker.begin_round()
    second = await worker.advance_round(first.history.end)
    last = await worker.advance_round(second.history.end)
    assert [data(each) for each in (first, second, last)] == [[b"1", b"2"], [b"3"], []]
    assert second.after == first.history.end


async def test_what_is_appended_during_a_round_is_in_the_next(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await stores.append(topic, b"2")
    assert isinstance(await Worker(stores, topic, "b").begin(), ShardBusy)
    assert data(await worker.advance_round(found.history.end)) == [b"2"]


async def test_a_shard_is_one_workers_until_all_is_pushed(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1")
    worker, other = Worker(stores, topic), Worker(stores, topic, "b")
    found = await worker.begin_round()
    busy = await other.begin()
    assert isinstance(busy, ShardBusy)
    assert 0 < busy.left_ms <= TERM_MS
    await worker.advance_round(found.history.end)
    assert data(await other.begin_round()) == []
    await stores.append(topic, b"2")
    assert data(await other.begin_round()) == [b"2"]


async def test_shards_are_each_for_themselves(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1")
    await Worker(stores, topic).begin_round()
    other = await stores.progress.begin(topic, SHARD + 1, "b", TERM_MS, LIMIT)
    assert data(round_of(other)) == [b"1"]


async def test_who_comes_after_a_dead_worker_pushes_its_round_again(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1")
    worker = Worker(stores, topic)
    found = await worker.begin_round(term_ms=50)
    await stores.wait(100)
    other = Worker(stores, topic, "b")
    assert data(await other.begin_round()) == [b"1"]
    assert isinstance(await worker.advance(found.history.end, {"c1": found.after}), ShardBusy)
    assert not await stores.progress.lagging(topic, SHARD)


async def test_a_lease_that_ran_out_is_still_its_holders_while_nobody_takes_it(
    stores: TopicStores, topic: Topic
) -> None:
    await stores.append(topic, b"1")
    worker = Worker(stores, topic)
    found = await worker.begin_round(term_ms=50)
    await stores.wait(100)
    assert data(await worker.advance_round(found.history.end)) == []


async def test_a_lease_is_renewed_and_given_back(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1")
    worker, other = Worker(stores, topic), Worker(stores, topic, "b")
    await worker.begin_round(term_ms=50)
    assert await stores.progress.renew(topic, SHARD, "a", TERM_MS)
    assert not await stores.progress.renew(topic, SHARD, "b", TERM_MS)
    await stores.wait(100)
    await stores.progress.release(topic, SHARD, "b")
    assert isinstance(await other.begin(), ShardBusy)
    await stores.progress.release(topic, SHARD, "a")
    assert data(await other.begin_round()) == [b"1"]


async def test_a_topic_without_messages_leaves_nothing_to_push(stores: TopicStores, topic: Topic) -> None:
    assert data(await Worker(stores, topic).begin_round()) == []
    await stores.histories.head(topic)
    assert data(await Worker(stores, topic, "b").begin_round()) == []


async def test_messages_that_are_gone_before_they_are_pushed_are_said_to_be(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2", b"3", b"4", size=2)
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    assert (found.history.is_complete, data(found), found.history.end) == (False, [b"4"], positions[-1])
    assert data(await worker.advance_round(found.history.end)) == []


async def test_the_cursor_goes_with_the_epoch(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1", b"2")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await stores.flush()
    await stores.append(topic, b"3")
    assert data(await worker.advance_round(found.history.end)) == [b"3"]


async def test_messages_lost_by_a_failover_begin_another_epoch(
    in_real: tuple[TopicStores, AsyncRedis], topic: Topic
) -> None:
    stores, redis = in_real
    await stores.append(topic, b"1", b"2")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await redis.run("HSET", f"{{{topic.storage}}}:topic", "head", 1)
    assert data(await worker.advance_round(found.history.end)) == []
    (position,) = await stores.append(topic, b"3")
    assert position.epoch != found.after.epoch
    assert data(await worker.begin_round()) == [b"3"]


async def test_the_cursor_never_goes_beyond_the_round(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2", b"3")
    worker = Worker(stores, topic, limit=1)
    await worker.begin_round()
    assert data(await worker.advance_round(positions[-1])) == [b"2"]


async def test_who_could_not_be_pushed_a_round_lags_from_where_it_is(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await worker.advance_round(found.history.end, {"c1": found.after, "c2": positions[0]})
    lagging = await stores.progress.lagging(topic, SHARD)
    assert {name: behind.position for name, behind in lagging.items()} == {"c1": found.after, "c2": positions[0]}
    assert await stores.progress.behind(topic, SHARD, "c1") == lagging["c1"]
    assert await stores.progress.behind(topic, SHARD, "c3") is None


async def test_who_lags_already_goes_on_from_where_it_is(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2")
    stores.lagging.lag(topic, SHARD, "c1", positions[0])
    before = await stores.progress.behind(topic, SHARD, "c1")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await worker.advance_round(found.history.end, {"c1": found.after})
    assert await stores.progress.behind(topic, SHARD, "c1") == before


async def test_many_can_lag_at_once(stores: TopicStores, topic: Topic) -> None:
    await stores.append(topic, b"1")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    late = {f"connection {number}": found.after for number in range(2500)}
    await worker.advance_round(found.history.end, late)
    assert set(await stores.progress.lagging(topic, SHARD)) == set(late)


async def test_who_is_level_lags_no_more(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await worker.advance_round(found.history.end, {"c1": found.after})
    behind = await stores.progress.behind(topic, SHARD, "c1")
    assert behind is not None
    on_the_way = await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, positions[0])
    assert on_the_way is not None
    assert (on_the_way.position, on_the_way.mark) == (positions[0], behind.mark)
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, positions[1]) is None
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, positions[1]) is None
    assert not await stores.progress.lagging(topic, SHARD)


async def test_who_subscribes_and_lacks_nothing_lags_no_more(stores: TopicStores, topic: Topic) -> None:
    (first,) = await stores.append(topic, b"1")
    mark = stores.lagging.lag(topic, SHARD, "c1", first)
    behind = await stores.progress.behind(topic, SHARD, "c1")
    assert behind is not None
    assert (behind.mark, behind.position) == (mark, first)
    assert stores.lagging.catch_up(topic, SHARD, "c1", mark, first) is None
    assert not await stores.progress.lagging(topic, SHARD)
    mark = stores.lagging.lag(topic, SHARD, "c1", first)
    await stores.append(topic, b"2")
    await Worker(stores, topic).begin_round()  # c1 lags, and is left out
    assert stores.lagging.catch_up(topic, SHARD, "c1", mark, first) is not None


async def test_nobody_stops_lagging_without_what_the_round_under_way_pushes(stores: TopicStores, topic: Topic) -> None:
    (first,) = await stores.append(topic, b"1")
    worker = Worker(stores, topic)
    found = await worker.begin_round()
    await worker.advance_round(found.history.end, {"c1": found.after})
    behind = await stores.progress.behind(topic, SHARD, "c1")
    assert behind is not None
    (second,) = await stores.append(topic, b"2")
    found = await worker.begin_round()  # c1 lags, and is left out
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, first) is not None
    await worker.advance_round(found.history.end)
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, first) is not None
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, second) is None


async def test_who_fell_behind_again_is_not_brought_forward_by_the_catch_up_before(
    stores: TopicStores, topic: Topic
) -> None:
    positions = await stores.append(topic, b"1", b"2", b"3")
    stores.lagging.lag(topic, SHARD, "c1", positions[0])
    before = await stores.progress.behind(topic, SHARD, "c1")
    assert before is not None
    stores.lagging.lag(topic, SHARD, "c1", positions[1])
    again = await stores.progress.catch_up(topic, SHARD, "c1", before.mark, positions[2])
    assert again is not None
    assert again.position == positions[1]
    assert again.mark != before.mark


async def test_who_lagged_when_all_was_lost_is_level_at_the_new_head(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1", b"2")
    await stores.flush()
    await stores.append(topic, b"3")
    stores.lagging.lag(topic, SHARD, "c1", positions[0])
    behind = await stores.progress.behind(topic, SHARD, "c1")
    assert behind is not None
    history = await stores.histories.read(topic, behind.position, LIMIT)
    assert not history.is_complete
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, positions[1]) is not None
    assert await stores.progress.catch_up(topic, SHARD, "c1", behind.mark, history.end) is None


async def test_nothing_is_noted_of_who_is_gone(stores: TopicStores, topic: Topic) -> None:
    positions = await stores.append(topic, b"1")
    for connection_id in ("c1", "c2", "c3"):
        stores.lagging.lag(topic, SHARD, connection_id, positions[0])
    await stores.progress.forget(topic, SHARD, ["c1", "c4"])
    stores.lagging.forget(topic, SHARD, ["c2"])
    await stores.progress.forget(topic, SHARD, [])
    assert set(await stores.progress.lagging(topic, SHARD)) == {"c3"}


async def test_nothing_is_kept_for_ever(in_real: tuple[TopicStores, AsyncRedis], topic: Topic) -> None:
    stores, redis = in_real
    positions = await stores.append(topic, b"1", b"2")
    worker = Worker(stores, topic, limit=1)
    found = await worker.begin_round()
    await worker.advance_round(found.history.end, {"c1": found.after})
    name = f"{{{topic.storage}}}:"
    for kind, kept_ms in ((f"fan-out:{SHARD}", TERM_MS), (f"lagging:{SHARD}", LAGGING_KEPT_MS)):
        assert 0 < await redis.run("PTTL", name + kind) <= kept_ms, kind
    other = unique_topic()
    stores.lagging.lag(other, SHARD, "c1", positions[0])
    assert 0 < await redis.run("PTTL", f"{{{other.storage}}}:lagging:{SHARD}") <= LAGGING_KEPT_MS


async def test_without_redis_the_error_says_so(topic: Topic) -> None:
    redis = AsyncRedis(CacheSettings(cache_url="redis://127.0.0.1:1/0"))
    progress = RedisShardProgress(redis)
    for call in (
        progress.begin(topic, SHARD, "a", TERM_MS, LIMIT),
        progress.lagging(topic, SHARD),
        progress.catch_up(topic, SHARD, "c1", "mark", Position("e", 1)),
    ):
        with pytest.raises(CacheUnavailableError):
            await call
    await redis.close()
