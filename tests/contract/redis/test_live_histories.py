"""Histories of live results, and how fills meet them: the fakes and Redis, held to the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.histories import SyncRedisHistory
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.live_histories import RedisLiveHistories
from push.adapters.redis.recent_changes import RedisRecentChanges
from push.adapters.redis.results import RedisResults
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.cache.jobs import Waiter, live_waiter
from push.cache.ports import Claimed, FillOutcome, Leases, ParkOutcome, ResultStore
from push.keys import Key
from push.settings import CacheSettings
from push.topics.live_results import ChangePhase, entry_of, parse_entry
from push.topics.ports import LiveHistories, SyncTopicHistories
from push.topics.topics import live_topic
from tests.builders.results import NOW_MS, make_result, unique_key
from tests.fakes.cache import CacheModel, FakeLeases, FakeResults
from tests.fakes.clock import Clock
from tests.fakes.live_results import FakeLiveHistories
from tests.fakes.topics import SyncFakeHistory, TopicModel

TERM_MS = 4000


@dataclass(frozen=True)
class Live:
    results: ResultStore
    leases: Leases
    live: LiveHistories
    histories: SyncTopicHistories

    async def claim(self, key: Key) -> Claimed:
        claimed = await self.leases.claim(key, "queued 1", TERM_MS, {})
        assert isinstance(claimed, Claimed)
        return claimed

    async def subscribe(self, key: Key) -> None:
        self.histories.head(live_topic(key))

    async def history_of(self, key: Key) -> list[bytes]:
        history = self.histories.read_latest(live_topic(key), 10)
        return [bytes(parse_entry(message.data).data) for message in history.messages]


@pytest.fixture
def settings(redis_url: str) -> CacheSettings:
    return CacheSettings(cache_url=redis_url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000)


@pytest.fixture(params=["fake", "redis"])
async def live(request: pytest.FixtureRequest, settings: CacheSettings) -> AsyncIterator[Live]:
    if request.param == "fake":
        model, topics = CacheModel(Clock(NOW_MS)), TopicModel(Clock(NOW_MS))
        yield Live(FakeResults(model), FakeLeases(model), FakeLiveHistories(model, topics), SyncFakeHistory(topics))
        return
    redis, sync_redis = AsyncRedis(settings), SyncRedis(settings)
    live_histories = RedisLiveHistories(redis, shipped_namespaces())
    yield Live(RedisResults(sync_redis), RedisLeases(redis), live_histories, SyncRedisHistory(sync_redis))
    await redis.close()


async def test_a_result_is_appended_under_the_lease(live: Live) -> None:
    key = unique_key()
    claimed = await live.claim(key)
    assert await live.live.append(key, claimed.token, entry_of(key, make_result(b"1")).message)
    assert await live.history_of(key) == [b"1"]


async def test_nothing_is_appended_without_the_lease(live: Live) -> None:
    key = unique_key()
    claimed = await live.claim(key)
    message = entry_of(key, make_result(b"1")).message
    assert not await live.live.append(key, "working never", message)
    await live.leases.release(key, claimed.token, "queued 2")
    assert not await live.live.append(key, claimed.token, message)
    assert await live.history_of(key) == []


async def test_the_latest_value_is_not_appended_again(live: Live) -> None:
    key = unique_key()
    claimed = await live.claim(key)
    for number, data in enumerate((b"1", b"1", b"2", b"1")):
        result = make_result(data, computed_at_ms=NOW_MS + number)
        assert await live.live.append(key, claimed.token, entry_of(key, result).message)
    assert live.histories.head(live_topic(key)).offset == 3
    assert (await live.history_of(key))[-2:] == [b"2", b"1"]


async def test_it_is_for_a_subscriber_that_has_none(live: Live) -> None:
    key = unique_key()
    claimed = await live.claim(key)
    for number in (0, 1, 1):
        message = entry_of(key, make_result(b"1", computed_at_ms=NOW_MS + number)).message
        assert await live.live.append(key, claimed.token, message, only_changed=False)
    assert live.histories.head(live_topic(key)).offset == 2


async def test_a_fill_has_nobody_wait_who_did_not_while_nobody_subscribes(live: Live) -> None:
    key = unique_key()
    filled = await live.leases.fill(key, await live.claim(key), make_result(), TERM_MS, NOW_MS)
    assert (filled.outcome, filled.waiters) == (FillOutcome.FILLED, ())


async def test_a_fill_of_what_somebody_subscribes_to_has_the_subscribers_wait(live: Live) -> None:
    key, ann = unique_key(), Waiter("ann=", "1")
    await live.subscribe(key)
    claimed = await live.leases.claim(key, "queued 1", TERM_MS, {ann: NOW_MS + 1000})
    assert isinstance(claimed, Claimed)
    filled = await live.leases.fill(key, claimed, make_result(), TERM_MS, NOW_MS)
    assert set(filled.waiters) == {ann, live_waiter()}
    assert set(await live.leases.waiters(key)) == {ann, live_waiter()}
    await live.leases.settle(key, [ann, live_waiter()])
    assert await live.leases.release(key, claimed.token, "queued 2") == 0


async def test_a_fill_that_is_refused_has_nobody_wait_more(live: Live) -> None:
    key = unique_key()
    await live.subscribe(key)
    claimed = await live.claim(key)
    await live.leases.fill(key, claimed, make_result(source_version=2), TERM_MS, NOW_MS)
    await live.leases.settle(key, [live_waiter()])
    filled = await live.leases.fill(key, claimed, make_result(source_version=1), TERM_MS, NOW_MS)
    assert (filled.outcome, filled.waiters) == (FillOutcome.SUPERSEDED, ())


async def test_subscribers_who_wait_do_not_stand_for_a_request(live: Live) -> None:
    key = unique_key()
    await live.subscribe(key)
    claimed = await live.claim(key)
    result = make_result()
    await live.leases.fill(key, claimed, result, TERM_MS, NOW_MS)
    seen = live.results.read(key)
    parked = live.results.park(key, seen, Waiter("ann=", "1"), NOW_MS + 1000, "queued 2")
    assert parked.outcome is ParkOutcome.FIRST_FOLLOWER


async def test_what_was_done_about_changes_is_noted_for_a_while(settings: CacheSettings) -> None:
    redis, key = AsyncRedis(settings), unique_key()
    recent = RedisRecentChanges(redis)
    assert await recent.phase(key) is ChangePhase.NONE
    await recent.note(key, ChangePhase.FIRST, 60_000)
    assert await recent.phase(key) is ChangePhase.FIRST
    await recent.note(key, ChangePhase.COVERED, 60_000)
    assert await recent.phase(key) is ChangePhase.COVERED
    await recent.note(key, ChangePhase.FIRST, 1)
    while await recent.phase(key) is not ChangePhase.NONE:
        pass
    await redis.close()
