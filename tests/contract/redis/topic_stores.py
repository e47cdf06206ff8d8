"""What is kept of topics, in Redis (by either client, alone or as a cluster) or in the tests' model."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.histories import RedisHistory, SyncRedisHistory
from push.adapters.redis.shard_progress import RedisShardProgress, SyncRedisLagging
from push.computes import Tenant
from push.settings import CacheSettings
from push.topics.histories import Appended, History, NewMessage
from push.topics.ports import ShardProgress, SyncLagging, SyncTopicHistories, TopicHistories
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.fakes.clock import Clock
from tests.fakes.topics import FakeHistory, FakeLagging, FakeShardProgress, SyncFakeHistory, TopicModel

Wait = Callable[[int], Awaitable[None]]


class Histories:
    """A history that tests await: read by the client under test, all else by the blocking one, which alone writes."""

    def __init__(self, histories: SyncTopicHistories, reader: TopicHistories | None) -> None:
        self._histories = histories
        self._reader = reader

    async def append(
        self, topic: Topic, messages: Sequence[NewMessage], *, size: int, seconds: int, only_changed: bool = False
    ) -> tuple[Appended, ...]:
        return await asyncio.to_thread(
            lambda: self._histories.append(topic, messages, size=size, seconds=seconds, only_changed=only_changed)
        )

    async def read(self, topic: Topic, after: Position, limit: int) -> History:
        if self._reader is not None:
            return await self._reader.read(topic, after, limit)
        return await asyncio.to_thread(self._histories.read, topic, after, limit)

    async def read_latest(self, topic: Topic, limit: int) -> History:
        return await asyncio.to_thread(self._histories.read_latest, topic, limit)

    async def head(self, topic: Topic) -> Position:
        return await asyncio.to_thread(self._histories.head, topic)


@dataclass(frozen=True)
class TopicStores:
    """Views of one store; `wait` lets milliseconds pass in it, `flush` loses all of it."""

    histories: Histories
    progress: ShardProgress
    lagging: SyncLagging
    wait: Wait
    flush: Callable[[], Awaitable[object]]

    async def append(self, topic: Topic, *data: bytes, size: int = 100, seconds: int = 60) -> list[Position]:
        appended = await self.histories.append(topic, [NewMessage(each) for each in data], size=size, seconds=seconds)
        return [each.position for each in appended]


def in_model(kind: str) -> TopicStores:
    clock = Clock()
    model = TopicModel(clock)

    async def wait(milliseconds: int) -> None:
        clock.advance(milliseconds)

    async def flush() -> None:
        model.flush()

    histories = Histories(SyncFakeHistory(model), None if kind == "sync" else FakeHistory(model))
    return TopicStores(histories, FakeShardProgress(model), FakeLagging(model), wait, flush)


@asynccontextmanager
async def in_redis(kind: str, url: str) -> AsyncIterator[tuple[TopicStores, AsyncRedis]]:
    settings = CacheSettings(cache_url=url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000)
    redis, blocking = AsyncRedis(settings), SyncRedis(settings)
    histories = Histories(SyncRedisHistory(blocking), None if kind == "sync" else RedisHistory(redis))

    async def wait(milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)

    async def flush() -> None:
        await redis.run("FLUSHALL")

    yield TopicStores(histories, RedisShardProgress(redis), SyncRedisLagging(blocking), wait, flush), redis
    await redis.close()


def unique_topic(scope: str = "acme") -> Topic:
    return Topic(Tenant(scope), f"room:{uuid.uuid4().hex}")
