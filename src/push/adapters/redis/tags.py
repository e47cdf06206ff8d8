"""Tags in Redis: the version of each tag, and an index of the keys whose results depend on it.

The two Redis keys of a tag share a hash slot, and so do those of a result key, but a tag and a result key do not. So no
script touches both, which is why a change raises the version first (see `push.cache.ports.TagIndex`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from push.adapters.redis.connection import AsyncRedis, as_text, generation_name, load_script, result_name
from push.computes import Tenant
from push.keys import Key, parse_storage

KEPT_MS = 24 * 60 * 60 * 1000
"""Lifetime of versions and generations: far longer than any compute that they guard."""

_PAGE_NAMES = 500
_CONCURRENT_COMMANDS = 8

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class RedisTags:
    """`push.cache.ports.TagIndex` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read_versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[int, ...]:
        """See `TagIndex.read_versions`."""

        async def read(tag: str) -> int:
            return int(await self._redis.run("GET", _version_name(tenant, tag)) or 0)

        return tuple(await _for_each(tags, read))

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> tuple[int, ...]:
        """See `TagIndex.enlist`."""

        async def enlist(tag: str) -> int:
            names = (_version_name(key.tenant, tag), _index_name(key.tenant, tag))
            return int(await self._redis.run_script(load_script("enlist_key"), names, (key.storage, keep_ms, KEPT_MS)))

        return tuple(await _for_each(tags, enlist))

    async def invalidate(self, tenant: Tenant | None, tags: Sequence[str]) -> int:
        """See `TagIndex.invalidate`."""

        async def raise_version(tag: str) -> None:
            await self._redis.run_script(load_script("raise_tag"), (_version_name(tenant, tag),), (KEPT_MS,))

        async def list_keys(tag: str) -> set[str]:
            return await self._list_keys(_index_name(tenant, tag))

        await _for_each(tags, raise_version)
        keys = set[str]().union(*await _for_each(tags, list_keys))
        await _for_each(keys, self._invalidate_key)
        return len(keys)

    async def _list_keys(self, index_name: str) -> set[str]:
        names: set[str] = set()
        cursor = "0"
        while True:
            reply = await self._redis.run_script(load_script("scan_tag"), (index_name,), (cursor, _PAGE_NAMES))
            cursor = as_text(reply[0])
            names.update(map(as_text, reply[1]))
            if cursor == "0":
                return names

    async def _invalidate_key(self, storage: str) -> None:
        key = parse_storage(storage)
        names = (generation_name(key), result_name(key))
        await self._redis.run_script(load_script("invalidate"), names, (KEPT_MS,))


def _version_name(tenant: Tenant | None, tag: str) -> str:
    return f"{_tag_name(tenant, tag)}:version"


def _index_name(tenant: Tenant | None, tag: str) -> str:
    return f"{_tag_name(tenant, tag)}:keys"


def _tag_name(tenant: Tenant | None, tag: str) -> str:
    return f"{{{'*' if tenant is None else tenant}/{tag}}}"


async def _for_each(items: Iterable[Item], run: Callable[[Item], Awaitable[Reply]]) -> list[Reply]:
    """Run a coroutine for each item, a bounded number at a time, and return the replies in order.

    After a failure no further item starts. One failure is raised once the running items have ended.
    """
    pending = list(items)
    replies: dict[int, Reply] = {}
    numbered = iter(enumerate(pending))

    async def work() -> None:
        for number, item in numbered:
            replies[number] = await run(item)

    workers = (work() for _ in range(min(_CONCURRENT_COMMANDS, len(pending))))
    for outcome in await asyncio.gather(*workers, return_exceptions=True):
        if outcome is not None:
            raise outcome
    return [replies[number] for number in range(len(pending))]
