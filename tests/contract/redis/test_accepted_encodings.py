"""What connections said that they read: kept for all who answer them, alone and many at a time, cluster or not."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from push.adapters.redis.accepted_encodings import KEPT_SECONDS, RedisAcceptedEncodings, RedisConnectionEncodings
from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.errors import CacheUnavailableError
from push.protocol.ports import AcceptedEncodings, ConnectionEncodings
from push.settings import CacheSettings
from tests.builders.results import NOW_MS
from tests.fakes.cache import CacheModel
from tests.fakes.delivery import FakeConnectionEncodings, FakeEncodings
from tests.servers.valkey import free_port

TWO_HOURS = 2 * 3600


def settings_of(url: str) -> CacheSettings:
    return CacheSettings(cache_url=url, cache_timeout_ms=2000)


@pytest.fixture(params=["fake", "single", "cluster"])
async def views(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[AcceptedEncodings, ConnectionEncodings]]:
    if request.param == "fake":
        model = CacheModel(lambda: NOW_MS)
        yield FakeEncodings(model), FakeConnectionEncodings(model)
        return
    url = request.getfixturevalue("redis_url" if request.param == "single" else "redis_cluster_url")
    redis = AsyncRedis(settings_of(url))
    yield RedisAcceptedEncodings(SyncRedis(settings_of(url))), RedisConnectionEncodings(redis)
    await redis.close()


def new_connection() -> str:
    return f"{uuid.uuid4().hex[:15]}="


async def test_what_was_said_is_read_alone_and_among_many(
    views: tuple[AcceptedEncodings, ConnectionEncodings],
) -> None:
    one, many = views
    connections = [new_connection() for _ in range(300)]
    for connection in connections[::3]:
        one.write(connection, "gzip")
    for connection in connections[1::3]:
        one.write(connection, "identity")
    said = [one.read(connection) for connection in connections]
    assert said == ["gzip", "identity", ""] * 100
    assert await many.read_all(connections) == said


async def test_what_is_said_last_counts(views: tuple[AcceptedEncodings, ConnectionEncodings]) -> None:
    one, many = views
    connection = new_connection()
    one.write(connection, "gzip")
    one.write(connection, "identity")
    assert one.read(connection) == "identity"
    assert await many.read_all([connection, connection]) == ["identity", "identity"]


async def test_nothing_is_asked_for_nobody(views: tuple[AcceptedEncodings, ConnectionEncodings]) -> None:
    assert await views[1].read_all([]) == []


def test_it_outlives_every_connection_and_then_goes(redis_url: str) -> None:
    redis = SyncRedis(settings_of(redis_url))
    connection = new_connection()
    RedisAcceptedEncodings(redis).write(connection, "gzip")
    assert TWO_HOURS < redis.run("TTL", f"accept:{connection}") <= KEPT_SECONDS


async def test_a_redis_that_is_away_is_said_to_be() -> None:
    nowhere = CacheSettings(cache_url=f"redis://127.0.0.1:{free_port()}/0", cache_connect_timeout_ms=50)
    encodings = RedisAcceptedEncodings(SyncRedis(nowhere))
    with pytest.raises(CacheUnavailableError):
        encodings.write("ann=", "gzip")
    with pytest.raises(CacheUnavailableError):
        encodings.read("ann=")
    redis = AsyncRedis(nowhere)
    with pytest.raises(CacheUnavailableError):
        await RedisConnectionEncodings(redis).read_all(["ann="])
    await redis.close()
