"""A command on topics whose reply is lost is run again: it must then say, and have done, the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.histories import SyncRedisHistory
from push.adapters.redis.shard_progress import RedisShardProgress
from push.settings import CacheSettings
from push.topics.histories import NewMessage, Round
from push.topics.topics import Topic
from tests.contract.redis.topic_stores import unique_topic
from tests.servers.valkey import LosingProxy

SHARD, TERM_MS, LIMIT = 0, 5000, 1
TWO = (NewMessage(b"1"), NewMessage(b"2", id="a"))


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
def histories(settings: CacheSettings) -> SyncRedisHistory:
    return SyncRedisHistory(SyncRedis(settings))


@pytest.fixture
async def redis(settings: CacheSettings, histories: SyncRedisHistory) -> AsyncIterator[AsyncRedis]:
    redis = AsyncRedis(settings)
    # The server is to know the scripts, so that the next reply is the one that counts.
    await push_first(histories, RedisShardProgress(redis), unique_topic())
    yield redis
    await redis.close()


async def push_first(histories: SyncRedisHistory, progress: RedisShardProgress, topic: Topic) -> Round:
    """Append two messages and begin with the first."""
    histories.append(topic, TWO, size=9, seconds=60)
    found = await progress.begin(topic, SHARD, "a", TERM_MS, LIMIT)
    assert isinstance(found, Round)
    return found


async def test_messages_are_appended_once_whether_they_have_ids_or_not(
    redis: AsyncRedis,  # once it is there, the server knows the script
    histories: SyncRedisHistory,
    proxy: LosingProxy,
) -> None:
    topic = unique_topic()
    proxy.replies_to_lose = 1
    appended = histories.append(topic, TWO, size=9, seconds=60)
    assert proxy.replies_to_lose == 0
    assert [each.position.offset for each in appended] == [1, 2]
    assert histories.head(topic).offset == 2


async def test_a_shard_is_not_busy_with_who_began(
    redis: AsyncRedis, histories: SyncRedisHistory, proxy: LosingProxy
) -> None:
    progress, topic = RedisShardProgress(redis), unique_topic()
    histories.append(topic, TWO, size=9, seconds=60)
    proxy.replies_to_lose = 1
    assert isinstance(await progress.begin(topic, SHARD, "a", TERM_MS, LIMIT), Round)
    assert proxy.replies_to_lose == 0


async def test_no_round_is_skipped(redis: AsyncRedis, histories: SyncRedisHistory, proxy: LosingProxy) -> None:
    progress, topic = RedisShardProgress(redis), unique_topic()
    found = await push_first(histories, progress, topic)
    proxy.replies_to_lose = 1
    second = await progress.advance(topic, SHARD, "a", found.history.end, {"c1": found.after}, TERM_MS, LIMIT)
    assert proxy.replies_to_lose == 0
    assert isinstance(second, Round)
    assert [message.data for message in second.history.messages] == [b"2"]
    proxy.replies_to_lose = 1
    last = await progress.advance(topic, SHARD, "a", second.history.end, {}, TERM_MS, LIMIT)
    assert proxy.replies_to_lose == 0
    assert isinstance(last, Round)
    assert not last.history.messages
    assert set(await progress.lagging(topic, SHARD)) == {"c1"}
