"""Inbound webhooks that came before are remembered in Redis."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.seen_hooks import RedisSeenHooks
from push.errors import TransientError
from push.settings import CacheSettings


@pytest.fixture
def redis(redis_url: str) -> SyncRedis:
    return SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000))


@pytest.fixture
def seen(redis: SyncRedis) -> RedisSeenHooks:
    return RedisSeenHooks(redis)


@pytest.fixture
def source() -> str:
    return f"source-{uuid.uuid4()}"


def test_what_was_dealt_with_is_not_new(seen: RedisSeenHooks, source: str) -> None:
    assert seen.first_time(source, "msg_1", 60)
    seen.remember(source, "msg_1", 60)
    assert not seen.first_time(source, "msg_1", 60)


def test_ids_are_a_sources_own(seen: RedisSeenHooks, source: str) -> None:
    assert seen.first_time(source, "msg_1", 60)
    assert seen.first_time(source, "msg_2", 60)
    assert seen.first_time(f"{source}-2", "msg_1", 60)


def test_while_one_deals_with_it_another_is_to_come_again(seen: RedisSeenHooks, source: str) -> None:
    assert seen.first_time(source, "msg_1", 60)
    with pytest.raises(TransientError):
        seen.first_time(source, "msg_1", 60)


def test_what_was_not_dealt_with_after_all_is_new(seen: RedisSeenHooks, source: str) -> None:
    assert seen.first_time(source, "msg_1", 60)
    seen.forget(source, "msg_1")
    assert seen.first_time(source, "msg_1", 60)


def test_claims_and_memories_end(seen: RedisSeenHooks, redis: SyncRedis, source: str) -> None:
    seen.first_time(source, "msg_1", 60)
    (name,) = redis.run("KEYS", f"hook:{source}:*")
    assert 50 < redis.run("TTL", name) <= 60
    seen.remember(source, "msg_1", 3600)
    assert 3500 < redis.run("TTL", name) <= 3600


def test_of_several_at_once_one_is_first(redis_url: str, source: str) -> None:
    memories = [RedisSeenHooks(SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000))) for _ in "1234"]

    def is_first(seen: RedisSeenHooks) -> bool:
        try:
            return seen.first_time(source, "msg_1", 60)
        except TransientError:
            return False

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(is_first, memories)) == [False, False, False, True]


def test_without_redis_the_sender_is_to_come_again() -> None:
    seen = RedisSeenHooks(SyncRedis(CacheSettings(cache_url="redis://127.0.0.1:1/0")))
    with pytest.raises(TransientError):
        seen.first_time("github", "msg_1", 60)
