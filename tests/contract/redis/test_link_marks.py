"""The contract of `LinkMarks`, held by Redis, by Redis in cluster mode, and by the tests' model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from push.adapters.redis.connection import AsyncRedis, generation_name, links_name
from push.adapters.redis.link_marks import RedisLinkMarks
from push.keys import Key
from push.settings import CacheSettings
from push.topics.ports import LinkMarks
from push.topics.subscriptions import LINKED_SECONDS, LinkMark
from tests.builders.results import NOW_MS, unique_key
from tests.fakes.cache import CacheModel
from tests.fakes.clock import Clock
from tests.fakes.live_results import FakeLinkMarks

NOTHING = LinkMark("", "0")


@dataclass(frozen=True)
class Store:
    """The marks; `invalidate` raises a key's generation, and `left_ms` tells how long its mark lasts."""

    marks: LinkMarks
    invalidate: Callable[[Key], Awaitable[None]]
    left_ms: Callable[[Key], Awaitable[int]]

    async def confirm(self, key: Key, digest: str, token: str = "linking 1") -> None:
        await self.marks.begin(key, token)
        await self.marks.confirm(key, token, digest)


def on_model() -> Store:
    clock = Clock(NOW_MS)
    model = CacheModel(clock)

    async def invalidate(key: Key) -> None:
        model.invalidate(key)

    async def left_ms(key: Key) -> int:
        return model.entry(key).linked_until_ms - clock()

    return Store(FakeLinkMarks(model), invalidate, left_ms)


@pytest.fixture(params=["model", "redis_url", "redis_cluster_url"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "model":
        yield on_model()
        return
    settings = CacheSettings(cache_url=request.getfixturevalue(request.param), cache_timeout_ms=2000)
    redis = AsyncRedis(settings)

    async def invalidate(key: Key) -> None:
        await redis.run("INCR", generation_name(key))

    async def left_ms(key: Key) -> int:
        return int(await redis.run("PTTL", links_name(key)))

    yield Store(RedisLinkMarks(redis), invalidate, left_ms)
    await redis.close()


async def test_a_key_has_no_mark_at_first(store: Store) -> None:
    assert await store.marks.read(unique_key()) == NOTHING


async def test_a_confirmed_mark_names_the_tags(store: Store) -> None:
    key = unique_key()
    await store.confirm(key, "a")
    assert await store.marks.read(key) == LinkMark("a", "0")
    await store.confirm(key, "b")
    assert await store.marks.read(key) == LinkMark("b", "0")


async def test_a_mark_comes_with_the_generation_of_its_key(store: Store) -> None:
    key = unique_key()
    await store.confirm(key, "a")
    await store.invalidate(key)
    mark = await store.marks.read(key)
    assert mark.digest == "a"
    assert mark.generation != "0"


async def test_a_mark_that_was_only_begun_names_nothing(store: Store) -> None:
    key = unique_key()
    await store.confirm(key, "a")
    await store.marks.begin(key, "linking 2")
    assert (await store.marks.read(key)).digest not in ("a", "")


async def test_a_mark_that_was_forgotten_is_not_confirmed(store: Store) -> None:
    key = unique_key()
    await store.marks.begin(key, "linking 1")
    await store.marks.forget(key)
    await store.marks.confirm(key, "linking 1", "a")
    assert await store.marks.read(key) == NOTHING


async def test_a_mark_that_another_worker_began_is_not_confirmed(store: Store) -> None:
    key = unique_key()
    await store.marks.begin(key, "linking 1")
    await store.marks.begin(key, "linking 2")
    await store.marks.confirm(key, "linking 1", "a")
    await store.marks.confirm(key, "linking 2", "b")
    assert (await store.marks.read(key)).digest == "b"


async def test_a_mark_lasts_from_its_beginning(store: Store) -> None:
    key = unique_key()
    await store.confirm(key, "a")
    assert 0 < await store.left_ms(key) <= LINKED_SECONDS * 1000


async def test_what_is_forgotten_twice_stays_forgotten(store: Store) -> None:
    key = unique_key()
    await store.confirm(key, "a")
    await store.marks.forget(key)
    await store.marks.forget(key)
    assert await store.marks.read(key) == NOTHING
