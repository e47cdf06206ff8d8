"""Tags in Redis: the versions of each tag, and an index of the keys whose results depend on it, by scope.

| Redis key | content |
| --- | --- |
| `{tag/<tag>}:<scope>:version` | the version in a scope: a tenant's name, or `*` for the shared scope |
| `{tag/<tag>}:version` | the version in all scopes |
| `{tag/<tag>}:<scope>:keys` | the index of a scope |
| `{tag/<tag>}:scopes` | the scopes that have an index |

What a worker sees as a tag's version is the sum of the first two, so a change in all scopes is seen in each of them,
also where nothing was enlisted before. Versions are times of the Redis server's clock in milliseconds, unless a tag
changes more than once in one. The Redis keys of a tag share a hash slot, and so do those of a result key, but
a tag and a result key do not. So no script touches both, which is why a change raises the version first (see
`push.cache.ports.TagIndex`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from push.adapters.redis.command_batches import MOST_COMMANDS
from push.adapters.redis.connection import AsyncRedis, as_text, generation_name, load_script, result_name
from push.cache.ports import TagVersion
from push.computes import Tenant
from push.keys import Key, parse_storage
from push.tags import ALL_SCOPES, TagScope, scope_of

KEPT_MS = 24 * 60 * 60 * 1000
"""Lifetime of versions and generations: far longer than any compute that they guard."""

_PAGE_NAMES = 500
_CONCURRENT_COMMANDS = 2 * MOST_COMMANDS
"""While Redis works on one batch of commands, the client prepares the next."""

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class RedisTags:
    """`push.cache.ports.TagIndex` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read_versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[TagVersion, ...]:
        """See `TagIndex.read_versions`."""

        async def read(tag: str) -> TagVersion:
            return _version(await self._redis.run_script(load_script("read_tag"), _version_names(tag, tenant), ()))

        return tuple(await _for_each(tags, read))

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> tuple[TagVersion, ...]:
        """See `TagIndex.enlist`."""

        async def enlist(tag: str) -> TagVersion:
            scope = _scope_text(scope_of(tag, key.tenant))
            names = (*_version_names(tag, key.tenant), _index_name(tag, scope), _scopes_name(tag))
            args = (key.storage, scope, keep_ms, KEPT_MS)
            return _version(await self._redis.run_script(load_script("enlist_key"), names, args))

        return tuple(await _for_each(tags, enlist))

    async def invalidate(self, scope: TagScope, tags: Sequence[str]) -> int:
        """See `TagIndex.invalidate`."""

        async def raise_version(tag: str) -> None:
            name = _version_name(tag, _changed_scope(tag, scope))
            await self._redis.run_script(load_script("raise_tag"), (name,), (KEPT_MS,))

        async def list_indexes(tag: str) -> list[str]:
            return [_index_name(tag, each) for each in await self._list_scopes(tag, _changed_scope(tag, scope))]

        await _for_each(tags, raise_version)
        indexes = chain.from_iterable(await _for_each(tags, list_indexes))
        keys = set[str]().union(*await _for_each(indexes, self._list_names))
        await _for_each(keys, self._invalidate_key)
        return len(keys)

    async def _list_scopes(self, tag: str, scope: TagScope) -> Iterable[str]:
        return await self._list_names(_scopes_name(tag)) if scope is ALL_SCOPES else (_scope_text(scope),)

    async def _list_names(self, set_name: str) -> set[str]:
        names: set[str] = set()
        cursor = "0"
        while True:
            reply = await self._redis.run_script(load_script("scan_tag"), (set_name,), (cursor, _PAGE_NAMES))
            cursor = as_text(reply[0])
            names.update(map(as_text, reply[1]))
            if cursor == "0":
                return names

    async def _invalidate_key(self, storage: str) -> None:
        key = parse_storage(storage)
        names = (generation_name(key), result_name(key))
        await self._redis.run_script(load_script("invalidate"), names, (KEPT_MS,))


def _version(reply: Sequence[bytes]) -> TagVersion:
    number, age_ms = map(int, reply)
    return TagVersion(number, age_ms)


def _changed_scope(tag: str, scope: TagScope) -> TagScope:
    return scope if scope is ALL_SCOPES else scope_of(tag, scope)


def _version_names(tag: str, tenant: Tenant | None) -> tuple[str, str]:
    return _version_name(tag, scope_of(tag, tenant)), _version_name(tag, ALL_SCOPES)


def _version_name(tag: str, scope: TagScope) -> str:
    return f"{_tag_name(tag)}:version" if scope is ALL_SCOPES else f"{_tag_name(tag)}:{_scope_text(scope)}:version"


def _index_name(tag: str, scope_text: str) -> str:
    return f"{_tag_name(tag)}:{scope_text}:keys"


def _scopes_name(tag: str) -> str:
    return f"{_tag_name(tag)}:scopes"


def _tag_name(tag: str) -> str:
    return f"{{tag/{tag}}}"


def _scope_text(tenant: Tenant | None) -> str:
    return "*" if tenant is None else tenant


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
