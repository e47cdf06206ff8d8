"""Tags of very many results, and results of many tags: what a change costs Redis, and what happens in its middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from push.adapters.redis.command_batches import MOST_COMMANDS
from push.adapters.redis.connection import AsyncRedis, Script, load_script
from push.adapters.redis.tags import RedisTags
from push.computes import Tenant
from push.errors import CacheUnavailableError
from push.keys import Key
from push.settings import CacheSettings
from push.tags import ALL_SCOPES, TagScope
from tests.builders.results import unique_key

ACME = Tenant("acme")
KEEP_MS = 60_000
MANY = 3000

MOST_NAMES = 1200
"""In one script. A page of `ZSCAN` has about as many names as were asked for, at times twice as many."""


class WatchedRedis(AsyncRedis):
    """Notes how much each script is given and returns, and does as it is told before a script."""

    def __init__(self, settings: CacheSettings) -> None:
        super().__init__(settings)
        self.sizes: list[int] = []
        self.calls = 0
        self.before_delisting: list[Key] = []
        self.invalidations_left = MANY * 2

    async def run_script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        self.calls += 1
        if script == load_script("invalidate"):
            self.invalidations_left -= 1
            if self.invalidations_left < 0:
                raise CacheUnavailableError("The invocation ends here.")
        if script == load_script("delist_keys"):
            waiting, self.before_delisting = self.before_delisting, []
            for key in waiting:
                await RedisTags(self).enlist(key, [keys[0].split("}")[0].removeprefix("{tag/")], 1)
        reply = await super().run_script(script, keys, args)
        returned = len(reply[1]) // 2 if script in (load_script("scan_tag"), load_script("raise_tag")) else 0
        self.sizes.append(max(len(args) // 2, returned))
        return reply

    async def generation(self, key: Key) -> int:
        return int(await self.run("GET", f"{{{key.storage}}}:generation") or 0)

    async def reads(self) -> int:
        """Return how often the server has read from a client."""
        return int((await self.run("INFO", "stats"))["total_reads_processed"])


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[WatchedRedis]:
    redis = WatchedRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=5000, cache_connect_timeout_ms=5000))
    yield redis
    await redis.close()


@pytest.fixture
def tags(redis: WatchedRedis) -> RedisTags:
    return RedisTags(redis)


@pytest.fixture
def tag() -> str:
    return f"@orders#{unique_key().digest}"


async def enlist_many(tags: RedisTags, tag: str, count: int = MANY) -> list[Key]:
    keys = [unique_key() for _ in range(count)]
    await asyncio.gather(*(tags.enlist(key, [tag], KEEP_MS) for key in keys))
    return keys


@pytest.mark.parametrize("scope", [ACME, ALL_SCOPES])
async def test_no_script_handles_more_than_a_page_of_a_tags_results(
    redis: WatchedRedis, tags: RedisTags, tag: str, scope: TagScope
) -> None:
    keys = await enlist_many(tags, tag)
    assert await tags.invalidate(scope, [tag]) == len(keys)
    assert all([await redis.generation(key) for key in keys])
    assert max(redis.sizes) <= MOST_NAMES


async def test_the_second_of_two_changes_finds_no_result_that_the_first_made_stale(
    redis: WatchedRedis, tags: RedisTags, tag: str
) -> None:
    """So the cost of a tag that changes often follows the computes of its results, not the changes."""
    await enlist_many(tags, tag)
    await tags.invalidate(ACME, [tag])
    calls = redis.calls
    await tags.invalidate(ACME, [tag])
    assert redis.calls == calls + 1


async def test_a_change_that_ends_in_the_middle_is_continued_by_the_next(
    redis: WatchedRedis, tags: RedisTags, tag: str
) -> None:
    keys = await enlist_many(tags, tag)
    redis.invalidations_left = MANY // 2
    with pytest.raises(CacheUnavailableError):
        await tags.invalidate(ACME, [tag])
    redis.invalidations_left = MANY * 2
    assert 0 < await tags.invalidate(ACME, [tag]) < len(keys)
    assert all([await redis.generation(key) for key in keys])


async def test_a_key_that_is_enlisted_while_it_is_invalidated_is_found_by_the_next_change(
    redis: WatchedRedis, tags: RedisTags, tag: str
) -> None:
    """Even if its time in the index does not grow."""
    (key,) = await enlist_many(tags, tag, 1)
    redis.before_delisting = [key]
    await tags.invalidate(ACME, [tag])
    before = await redis.generation(key)
    assert await tags.invalidate(ACME, [tag]) == 1
    assert await redis.generation(key) > before


async def test_changes_of_many_tags_take_few_round_trips(redis: WatchedRedis, tags: RedisTags, tag: str) -> None:
    """As many as 100 records make with ten tags each."""
    changed = [f"{tag}/{number}" for number in range(1000)]
    await tags.invalidate(ACME, [tag])  # the connection is open, and the server knows the script
    before = await redis.reads()
    await tags.invalidate(ACME, changed)
    assert await redis.reads() - before < 3 * len(changed) / MOST_COMMANDS


async def test_a_result_of_many_tags_is_enlisted_and_invalidated_in_few_round_trips(
    redis: WatchedRedis, tags: RedisTags, tag: str
) -> None:
    key, its_tags = unique_key(), [f"{tag}/{number}" for number in range(100)]
    await tags.enlist(key, [tag], KEEP_MS)
    await tags.read_versions(ACME, [tag])
    await tags.invalidate(ACME, [tag])
    before = await redis.reads()
    await tags.read_versions(ACME, its_tags)
    await tags.enlist(key, its_tags, KEEP_MS)
    assert await tags.invalidate(ACME, its_tags) == 1
    assert await redis.reads() - before < 20
