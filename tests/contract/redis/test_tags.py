"""The contract of `TagIndex`, held by Redis, by Redis in cluster mode, and by the tests' model."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.results import RedisResults
from push.adapters.redis.tags import KEPT_MS, RedisTags
from push.cache.freshness import Freshness, judge
from push.cache.ports import Claimed, FillOutcome, Leases, ResultStore, TagIndex
from push.computes import Tenant
from push.errors import CacheUnavailableError
from push.keys import Key
from push.results import Result
from push.settings import CacheSettings
from push.tags import ALL_SCOPES, TagScope
from tests.builders.results import NOW_MS, make_result, unique_key
from tests.fakes.cache import CacheModel, FakeLeases, FakeResults, FakeTags
from tests.fakes.clock import Clock

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
KEEP_MS = 60_000
TERM_MS = 4000


@dataclass(frozen=True)
class Cache:
    """Tags, and the results they lead to, in one store."""

    tags: TagIndex
    leases: Leases
    results: ResultStore

    async def claim(self, key: Key) -> Claimed:
        claimed = await self.leases.claim(key, "queued 1", TERM_MS, {})
        assert isinstance(claimed, Claimed)
        return claimed

    async def fill(self, key: Key, claimed: Claimed, result: Result) -> FillOutcome:
        return (await self.leases.fill(key, claimed, result, TERM_MS, NOW_MS)).outcome

    async def store(self, key: Key, *tags: str, keep_ms: int = KEEP_MS) -> Result:
        """Do what one who computes does, with nothing happening in between."""
        result = make_result(tags=tags)
        claimed = await self.claim(key)
        await self.tags.enlist(key, tags, keep_ms)
        assert await self.fill(key, claimed, result) is FillOutcome.FILLED
        await self.leases.release(key, claimed.token, "queued 0")
        return result

    def is_stale(self, key: Key) -> bool:
        stored = self.results.read(key)
        assert stored is not None
        return stored.is_invalidated


@dataclass(frozen=True)
class InRedis(Cache):
    """The same in Redis, to be looked into."""

    redis: AsyncRedis


@asynccontextmanager
async def in_redis(url: str) -> AsyncIterator[InRedis]:
    settings = CacheSettings(cache_url=url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000)
    redis = AsyncRedis(settings)
    yield InRedis(RedisTags(redis), RedisLeases(redis), RedisResults(SyncRedis(settings)), redis)
    await redis.close()


@pytest.fixture(params=["model", "redis_url", "redis_cluster_url"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "model":
        model = CacheModel(Clock(NOW_MS))
        yield Cache(FakeTags(model), FakeLeases(model), FakeResults(model))
        return
    async with in_redis(request.getfixturevalue(request.param)) as cache:
        yield cache


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
async def redis_cache(request: pytest.FixtureRequest) -> AsyncIterator[InRedis]:
    async with in_redis(request.getfixturevalue(request.param)) as cache:
        yield cache


@pytest.fixture
def tag() -> str:
    return f"documents:airports/{uuid.uuid4().hex}"


async def test_a_tag_that_never_changed_has_version_zero(cache: Cache, tag: str) -> None:
    assert [each.number for each in await cache.tags.read_versions(ACME, [tag, f"{tag} too"])] == [0, 0]


async def test_every_change_raises_the_version(cache: Cache, tag: str) -> None:
    versions = []
    for _ in range(3):
        await cache.tags.invalidate(ACME, [tag])
        versions += [each.number for each in await cache.tags.read_versions(ACME, [tag])]
    assert versions == sorted(set(versions))


async def test_a_version_that_redis_forgot_is_not_given_again(redis_cache: InRedis, tag: str) -> None:
    await redis_cache.tags.invalidate(ACME, [tag])
    before = await redis_cache.tags.read_versions(ACME, [tag])
    await redis_cache.redis.run("DEL", f"{{tag/{tag}}}:acme:version")
    await asyncio.sleep(0.002)
    await redis_cache.tags.invalidate(ACME, [tag])
    assert await redis_cache.tags.read_versions(ACME, [tag]) != before


async def test_enlisting_tells_the_versions_in_the_order_of_the_tags(cache: Cache, tag: str) -> None:
    await cache.tags.invalidate(ACME, [f"{tag} b"])
    tags = [f"{tag} {name}" for name in "abc"]
    enlisted = await cache.tags.enlist(unique_key(), tags, KEEP_MS)
    assert enlisted == await cache.tags.read_versions(ACME, tags)
    assert [version.number > 0 for version in enlisted] == [False, True, False]


@pytest.mark.parametrize("scope", [ACME, ALL_SCOPES])
async def test_a_version_tells_how_long_ago_the_tag_changed(cache: Cache, tag: str, scope: TagScope) -> None:
    tags = [tag, f"{tag} too"]
    before = time.monotonic()
    await cache.tags.invalidate(scope, [tag])
    for changed, unchanged in (
        await cache.tags.read_versions(ACME, tags),
        await cache.tags.enlist(unique_key(), tags, KEEP_MS),
    ):
        assert changed.is_younger_than((time.monotonic() - before) * 1000 + 1)
        assert not unchanged.is_younger_than(KEPT_MS)


async def test_a_change_marks_what_was_made_from_it_stale_and_keeps_it(cache: Cache, tag: str) -> None:
    key = unique_key()
    result = await cache.store(key, tag)
    assert await cache.tags.invalidate(ACME, [tag]) == 1
    stored = cache.results.read(key)
    assert stored is not None
    assert (stored.data, stored.tags, stored.is_invalidated) == (result.data, result.tags, True)
    assert judge(stored, NOW_MS) is Freshness.STALE


async def test_marking_does_not_change_how_long_a_result_is_kept(redis_cache: InRedis, tag: str) -> None:
    key = unique_key()
    await redis_cache.store(key, tag)
    await redis_cache.tags.invalidate(ACME, [tag])
    assert 0 < await redis_cache.redis.run("PTTL", f"{{{key.storage}}}:result") <= 70_000


async def test_who_holds_a_copy_is_told_that_it_changed(cache: Cache, tag: str) -> None:
    key = unique_key()
    result = await cache.store(key, tag)
    assert cache.results.is_unchanged(key, result)
    await cache.tags.invalidate(ACME, [tag])
    assert not cache.results.is_unchanged(key, result)


async def test_a_fill_claimed_before_the_change_is_refused_after_it(cache: Cache, tag: str) -> None:
    key = unique_key()
    claimed = await cache.claim(key)
    await cache.tags.enlist(key, [tag], KEEP_MS)
    await cache.tags.invalidate(ACME, [tag])
    assert await cache.fill(key, claimed, make_result(tags=(tag,))) is FillOutcome.OUTDATED
    assert cache.results.read(key) is None


async def test_a_change_leaves_the_lease_to_its_holder(cache: Cache, tag: str) -> None:
    key = unique_key()
    claimed = await cache.claim(key)
    await cache.tags.enlist(key, [tag], KEEP_MS)
    await cache.tags.invalidate(ACME, [tag])
    assert (await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS)).is_held


async def test_what_is_claimed_after_the_change_is_filled(cache: Cache, tag: str) -> None:
    key = unique_key()
    await cache.store(key, tag)
    await cache.tags.invalidate(ACME, [tag])
    await cache.store(key, tag)
    assert not cache.is_stale(key)


async def test_a_change_touches_nothing_else(cache: Cache, tag: str) -> None:
    key, other = unique_key(), unique_key()
    await cache.store(key, tag)
    await cache.store(other, f"{tag} too")
    await cache.tags.invalidate(ACME, [tag])
    assert (cache.is_stale(key), cache.is_stale(other)) == (True, False)


async def test_tags_of_one_name_are_each_tenants_own(cache: Cache, tag: str) -> None:
    key, other, common = unique_key("acme"), unique_key("globex"), Key(None, "shared", 1, uuid.uuid4().hex)
    for each in (key, other, common):
        await cache.store(each, tag)
    assert await cache.tags.invalidate(GLOBEX, [tag]) == 1
    assert [cache.is_stale(each) for each in (key, other, common)] == [False, True, False]
    assert await cache.tags.invalidate(None, [tag]) == 1
    assert [cache.is_stale(each) for each in (key, other, common)] == [False, True, True]


async def test_a_key_under_several_changed_tags_is_touched_once(cache: Cache, tag: str) -> None:
    key, tags = unique_key(), [f"{tag} {name}" for name in "ab"]
    await cache.store(key, *tags)
    assert await cache.tags.invalidate(ACME, tags) == 1


async def test_a_key_is_touched_again_only_after_it_was_enlisted_again(cache: Cache, tag: str) -> None:
    key = unique_key()
    await cache.store(key, tag)
    assert [await cache.tags.invalidate(ACME, [tag]) for _ in range(2)] == [1, 0]
    await cache.store(key, tag)
    assert [await cache.tags.invalidate(ACME, [tag]) for _ in range(2)] == [1, 0]


async def test_a_change_in_all_scopes_reaches_every_tenant_and_what_is_shared(cache: Cache, tag: str) -> None:
    keys = [unique_key(), replace(unique_key(), tenant=GLOBEX), replace(unique_key(), tenant=None)]
    other = unique_key()
    for key in keys:
        await cache.store(key, tag)
    await cache.store(other, f"{tag} too")
    assert await cache.tags.invalidate(ALL_SCOPES, [tag]) == len(keys)
    assert [cache.is_stale(key) for key in (*keys, other)] == [True, True, True, False]


async def test_a_change_in_all_scopes_raises_the_version_where_nothing_was_enlisted(cache: Cache, tag: str) -> None:
    """A tenant's first compute may have read the source before the change, and enlists after it."""
    before = await cache.tags.read_versions(ACME, [tag])
    await cache.tags.invalidate(ALL_SCOPES, [tag])
    assert await cache.tags.enlist(unique_key(), [tag], KEEP_MS) != before


async def test_a_tenants_change_leaves_the_versions_of_others(cache: Cache, tag: str) -> None:
    others = [await cache.tags.read_versions(each, [tag]) for each in (GLOBEX, None)]
    await cache.tags.invalidate(ACME, [tag])
    assert [await cache.tags.read_versions(each, [tag]) for each in (GLOBEX, None)] == others


@pytest.mark.parametrize("scope", [None, ACME, ALL_SCOPES])
async def test_a_tag_of_a_source_is_one_tag_for_every_tenant(cache: Cache, tag: str, scope: TagScope) -> None:
    tag = f"@{tag}"
    keys = [unique_key(), replace(unique_key(), tenant=GLOBEX), replace(unique_key(), tenant=None)]
    for key in keys:
        await cache.store(key, tag)
    assert await cache.tags.invalidate(scope, [tag]) == len(keys)
    assert [cache.is_stale(key) for key in keys] == [True, True, True]
    versions = {(await cache.tags.read_versions(key.tenant, [tag]))[0].number for key in keys}
    assert len(versions - {0}) == len(versions) == 1


@pytest.mark.parametrize("odd", ["}", "{", "a}b", "}:*:version", "{}", "a b\x00é"])
async def test_a_tag_may_be_any_text(cache: Cache, odd: str) -> None:
    tag, key = f"{odd}{uuid.uuid4().hex}", unique_key()
    await cache.store(key, tag)
    assert await cache.tags.invalidate(ALL_SCOPES, [tag]) == 1
    assert cache.is_stale(key)


async def test_a_change_of_what_nothing_was_made_from_touches_nothing(cache: Cache, tag: str) -> None:
    assert await cache.tags.invalidate(ACME, [tag]) == 0


async def test_an_index_of_several_pages_is_gone_through_whole(redis_cache: InRedis, tag: str) -> None:
    keys = [unique_key() for _ in range(1200)]
    for key in keys:
        await redis_cache.tags.enlist(key, [tag], KEEP_MS)
    assert await redis_cache.tags.invalidate(ACME, [tag]) == len(keys)
    generations = [await redis_cache.redis.run("GET", f"{{{key.storage}}}:generation") for key in keys]
    assert all(generations)


async def test_the_index_forgets_keys_whose_results_have_gone(redis_cache: InRedis, tag: str) -> None:
    await redis_cache.tags.enlist(unique_key(), [tag], 1)
    await asyncio.sleep(0.01)
    await redis_cache.tags.enlist(unique_key(), [tag], KEEP_MS)
    assert await redis_cache.tags.invalidate(ACME, [tag]) == 1


async def test_enlisting_again_never_shortens_a_keys_time(redis_cache: InRedis, tag: str) -> None:
    key = unique_key()
    await redis_cache.tags.enlist(key, [tag], KEEP_MS)
    await redis_cache.tags.enlist(key, [tag], 1)
    await asyncio.sleep(0.01)
    await redis_cache.tags.enlist(unique_key(), [tag], 1)
    assert await redis_cache.tags.invalidate(ACME, [tag]) == 2


async def test_nothing_is_kept_for_ever(redis_cache: InRedis, tag: str) -> None:
    key = unique_key()
    await redis_cache.store(key, tag)
    await redis_cache.tags.invalidate(ACME, [tag])
    await redis_cache.tags.enlist(key, [tag], KEEP_MS)
    for name in (
        f"{{tag/{tag}}}:acme:version",
        f"{{tag/{tag}}}:acme:keys",
        f"{{tag/{tag}}}:scopes",
        f"{{{key.storage}}}:generation",
    ):
        assert 0 < await redis_cache.redis.run("PTTL", name) <= KEPT_MS, name


@pytest.mark.parametrize("scope", [ACME, ALL_SCOPES])
async def test_a_change_at_any_moment_of_a_compute_leaves_no_old_value_fresh(
    cache: Cache, tag: str, scope: TagScope
) -> None:
    """Put the change before, between and after the steps of one who reads the old value."""
    for moment in range(5):
        key = unique_key()

        async def change(now: int, at: int = moment) -> None:
            if now == at:
                await cache.tags.invalidate(scope, [tag])

        claimed = await cache.claim(key)
        before = await cache.tags.read_versions(ACME, [tag])
        await change(0)  # the source was read before this
        await change(1)
        unchanged = await cache.tags.enlist(key, [tag], KEEP_MS) == before
        await change(2)
        if unchanged:
            await cache.fill(key, claimed, make_result(tags=(tag,)))
        await change(3)
        stored = cache.results.read(key)
        is_fresh = stored is not None and not stored.is_invalidated
        assert is_fresh == (moment == 4), moment  # at 4 nothing changed


async def test_however_a_change_and_a_compute_meet_what_is_fresh_is_new(cache: Cache, tag: str) -> None:
    """A source changes, is told of late, and is read and computed from meanwhile; again and again, never in step."""
    chance, source = random.Random(7), {"value": 0}

    async def a_moment() -> None:
        await asyncio.sleep(chance.random() * 0.003)

    async def change() -> None:
        await a_moment()
        source["value"] += 1
        await a_moment()
        await cache.tags.invalidate(ACME, [tag])

    async def compute(key: Key) -> None:
        claimed = await cache.claim(key)
        before = await cache.tags.read_versions(ACME, [tag])
        value = source["value"]
        await a_moment()
        if before == await cache.tags.enlist(key, [tag], KEEP_MS):
            await a_moment()
            await cache.fill(key, claimed, make_result(b"%d" % value, tags=(tag,)))

    for _ in range(60):
        key = unique_key()
        await asyncio.gather(change(), compute(key))
        stored = cache.results.read(key)
        assert stored is None or stored.is_invalidated or stored.data == b"%d" % source["value"]


@pytest.mark.parametrize("scope", [ACME, ALL_SCOPES])
async def test_a_change_explains_which_results_it_made_stale(redis_url: str, tag: str, scope: TagScope) -> None:
    key, odd = unique_key(), f"{tag} {{}}:"
    explained: list[tuple[str, str]] = []
    async with in_redis(redis_url) as cache:
        await cache.store(key, odd)
        await RedisTags(cache.redis, lambda *change: explained.append(change)).invalidate(scope, [odd])
    assert explained == [(odd, key.storage)]


async def test_without_redis_the_error_says_so(tag: str) -> None:
    redis = AsyncRedis(CacheSettings(cache_url="redis://127.0.0.1:1/0"))
    for call in (
        RedisTags(redis).read_versions(ACME, [tag]),
        RedisTags(redis).enlist(unique_key(), [tag], KEEP_MS),
        RedisTags(redis).invalidate(ACME, [tag]),
    ):
        with pytest.raises(CacheUnavailableError):
            await call
    await redis.close()
