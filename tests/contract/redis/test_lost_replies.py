"""A command whose reply is lost is run again by the Redis client: every script must then say the same."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.results import RedisResults
from push.cache.jobs import Waiter
from push.cache.ports import Claimed, FillOutcome, ParkOutcome
from push.settings import CacheSettings
from tests.builders.results import NOW_MS, make_result, unique_key
from tests.servers.valkey import LosingProxy

WAITER = Waiter("connection", "1")
DEADLINE_MS = NOW_MS + 30_000


@pytest.fixture
def proxy(redis_url: str) -> Iterator[LosingProxy]:
    port = urlsplit(redis_url).port
    assert port is not None
    proxy = LosingProxy(port)
    yield proxy
    proxy.close()


@pytest.fixture
def settings(proxy: LosingProxy) -> CacheSettings:
    return CacheSettings(cache_url=f"redis://127.0.0.1:{proxy.port}/0", cache_timeout_ms=1000)


@pytest.fixture
def results(settings: CacheSettings) -> RedisResults:
    results = RedisResults(SyncRedis(settings))
    results.read(unique_key())
    return results


@pytest.fixture
async def leases(settings: CacheSettings):
    redis = AsyncRedis(settings)
    leases = RedisLeases(redis)
    await leases.waiters(unique_key())
    yield leases
    await redis.close()


def know_scripts(results: RedisResults) -> None:
    """Have the server know the script, so that the next reply is the one that counts."""
    results.park(unique_key(), None, None, 0, "other")


def test_the_leader_is_still_the_leader(results: RedisResults, proxy: LosingProxy) -> None:
    know_scripts(results)
    proxy.replies_to_lose = 1
    assert results.park(unique_key(), None, WAITER, DEADLINE_MS, "queued 1").outcome is ParkOutcome.LEADER
    assert proxy.replies_to_lose == 0


async def test_a_claim_is_not_busy_with_itself(leases: RedisLeases, proxy: LosingProxy) -> None:
    await leases.claim(unique_key(), "other", 4000, {})
    proxy.replies_to_lose = 1
    assert isinstance(await leases.claim(unique_key(), "queued 1", 4000, {}), Claimed)
    assert proxy.replies_to_lose == 0


async def test_a_fill_is_not_refused_for_itself(leases: RedisLeases, proxy: LosingProxy) -> None:
    other = unique_key()
    claimed = await leases.claim(other, "other", 4000, {})
    assert isinstance(claimed, Claimed)
    await leases.fill(other, claimed, make_result(), 4000, NOW_MS)
    key = unique_key()
    claimed = await leases.claim(key, "queued 1", 4000, {})
    assert isinstance(claimed, Claimed)
    proxy.replies_to_lose = 1
    filled = await leases.fill(key, claimed, make_result(source_version=7), 4000, NOW_MS)
    assert filled.outcome is FillOutcome.FILLED
    assert proxy.replies_to_lose == 0


async def test_a_release_still_tells_that_somebody_waits(
    leases: RedisLeases, results: RedisResults, proxy: LosingProxy
) -> None:
    await leases.release(unique_key(), "other", "other")
    key = unique_key()
    results.park(key, None, WAITER, DEADLINE_MS, "queued 1")
    claimed = await leases.claim(key, "queued 1", 4000, {})
    assert isinstance(claimed, Claimed)
    proxy.replies_to_lose = 1
    assert await leases.release(key, claimed.token, "queued 2") == 1
    assert proxy.replies_to_lose == 0
