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

A change takes a key out of the index once the key's result is stale, because the next fill enlists the key again. So a
tag that changes often costs no more than its results are computed, and a walk that ends in the middle is continued by
the next one. A key that was enlisted meanwhile stays: enlisting always raises its score, and a change takes out only
names with the scores that it saw before it invalidated them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from push.adapters.redis.command_batches import MOST_COMMANDS
from push.adapters.redis.connection import AsyncRedis, as_text, generation_name, load_script, result_name
from push.cache.ports import TagVersion
from push.computes import Tenant
from push.keys import Key, parse_storage
from push.tags import ALL_SCOPES, TagScope, scope_of

KEPT_MS = 24 * 60 * 60 * 1000
"""Lifetime of versions and generations: far longer than any compute that they guard."""

_FIRST_NAMES = 100
"""About the most names that raising a version returns; many tags of a batch are raised side by side."""

_PAGE_NAMES = 500
"""About the most names on a further page, and the most in one script: it takes Redis some 0.5 ms."""

_INDEXES_AT_ONCE = 100
_BEGIN = _END = "0"
_CONCURRENT_COMMANDS = 4 * MOST_COMMANDS
"""Four batches: while Redis works on some, the client prepares the next."""

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class RedisTags:
    """`push.cache.ports.TagIndex` on Redis.

    Args:
        redis: the client.
        explain: is told a changed tag, and the name of a key whose result the change made stale.

    """

    def __init__(self, redis: AsyncRedis, explain: Callable[[str, str], None] | None = None) -> None:
        self._redis = redis
        self._explain = explain

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

        async def raise_version(tag: str) -> _Page:
            changed = _changed_scope(tag, scope)
            listed = _scopes_name(tag) if changed is ALL_SCOPES else _index_name(tag, _scope_text(changed))
            names = (_version_name(tag, changed), listed)
            return _page(listed, await self._redis.run_script(load_script("raise_tag"), names, (KEPT_MS, _FIRST_NAMES)))

        pages = await _for_each(tags, raise_version)
        if scope is not ALL_SCOPES:
            return await self._invalidate_from(pages)
        touched = 0
        for indexes in _slices([each async for each in self._indexes_of(tags, pages)], _INDEXES_AT_ONCE):
            touched += await self._invalidate_from(await _for_each(indexes, self._read_page))
        return touched

    async def _indexes_of(self, tags: Sequence[str], pages: Sequence[_Page]) -> AsyncIterator[str]:
        """Yield the names of the indexes of all scopes, given the first page of each tag's scopes."""
        for tag, first in zip(tags, pages, strict=True):
            async for page in self._pages_from(first):
                for scope in page.names:
                    yield _index_name(tag, scope)

    async def _invalidate_from(self, first_pages: Sequence[_Page]) -> int:
        """Invalidate the keys of indexes, given the first page of each, and return how many there were."""
        touched = await self._invalidate_keys(first_pages)
        for first in first_pages:
            async for page in self._pages_from(first):
                if page is not first:
                    touched += await self._invalidate_keys((page,))
        return touched

    async def _invalidate_keys(self, pages: Sequence[_Page]) -> int:
        keys = {name for page in pages for name in page.names}
        await _for_each(keys, self._invalidate_key)
        if self._explain is not None:
            for page in pages:
                for name in page.names:
                    self._explain(_tag_of(page.listed), name)
        await _for_each(filter(lambda page: page.names, pages), self._delist)
        return len(keys)

    async def _invalidate_key(self, storage: str) -> None:
        key = parse_storage(storage)
        names = (generation_name(key), result_name(key))
        await self._redis.run_script(load_script("invalidate"), names, (KEPT_MS,))

    async def _delist(self, page: _Page) -> None:
        for names in _slices(list(page.names), _PAGE_NAMES):
            args = [arg for name in names for arg in (name, page.names[name])]
            await self._redis.run_script(load_script("delist_keys"), (page.listed,), args)

    async def _pages_from(self, page: _Page) -> AsyncIterator[_Page]:
        """Yield a page and those after it."""
        yield page
        while page.cursor != _END:
            page = await self._read_page(page.listed, page.cursor)
            yield page

    async def _read_page(self, listed: str, cursor: str = _BEGIN) -> _Page:
        reply = await self._redis.run_script(load_script("scan_tag"), (listed,), (cursor, _PAGE_NAMES))
        return _page(listed, reply)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a sorted set: of an index or of the scopes of a tag."""

    listed: str
    """The name of the sorted set."""
    cursor: str
    """Where the next page begins; `_END` after the last one."""
    names: Mapping[str, str]
    """The score of each name."""


def _page(listed: str, reply: Sequence[Any]) -> _Page:
    cursor, flat = reply
    return _Page(listed, as_text(cursor), dict(zip(map(as_text, flat[::2]), map(as_text, flat[1::2]), strict=True)))


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


def _tag_of(index_name: str) -> str:
    return index_name.removeprefix("{tag/").rpartition("}:")[0]


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


def _slices(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
