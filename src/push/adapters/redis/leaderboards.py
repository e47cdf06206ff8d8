"""Leaderboards in Redis: one sorted set each.

Redis breaks ties in ascending order of members. Scores are stored negated, so ascending order puts the highest score
first and breaks ties by member.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from push.adapters.redis.connection import AsyncRedis, load_script
from push.computes import Tenant
from push.sources.boards import Around, Entry, Top, View

KEPT_MS = 60_000
"""Lifetime of a board. A change that no event announced shows after at most this time."""

REBUILD_MS = 15_000
"""Time limit of a rebuild, after which another worker may begin one."""

_MEMBERS_PER_COMMAND = 1000
"""ElastiCache Serverless takes at most 3,999 arguments a request."""


class RedisLeaderboards:
    """`push.sources.ports.BoardCache` on Redis. All Redis keys of one board share a hash slot."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read(self, tenant: Tenant, board: str, view: View) -> list[Entry] | None:
        """See `BoardCache.read`."""
        match view:
            case Top(count):
                args: tuple[str | int, ...] = ("top", count, "")
            case Around(member, neighbours):
                args = ("around", neighbours, member)
        outcome, *found = await self._redis.run_script(load_script("read_board"), (_board(tenant, board),), args)
        if outcome == b"absent":
            return None
        return _entries(*found) if found else []

    async def begin_rebuild(self, tenant: Tenant, board: str) -> str | None:
        """See `BoardCache.begin_rebuild`."""
        token = secrets.token_hex(12)
        names = (_lock(tenant, board), _changes(tenant, board), _board(tenant, board))
        is_ours = await self._redis.run_script(load_script("begin_rebuild"), names, (token, REBUILD_MS))
        return token if is_ours else None

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> None:
        """See `BoardCache.end_rebuild`."""
        draft = f"{_board(tenant, board)}:{token}"
        await self._write(draft, scores or {})
        names = (draft, _board(tenant, board), _lock(tenant, board), _changes(tenant, board))
        await self._redis.run_script(load_script("install_board"), names, (token, KEPT_MS))

    async def update(self, tenant: Tenant, board: str, scores: Mapping[str, float | None]) -> None:
        """See `BoardCache.update`."""
        names = (_board(tenant, board), _lock(tenant, board), _changes(tenant, board))
        items = list(scores.items())
        for start in range(0, len(items), _MEMBERS_PER_COMMAND):
            pairs: list[str] = []
            for member, score in items[start : start + _MEMBERS_PER_COMMAND]:
                pairs += ("" if score is None else repr(-score), member)
            await self._redis.run_script(load_script("update_board"), names, (REBUILD_MS, *pairs))

    async def _write(self, name: str, scores: dict[str, float]) -> None:
        items = list(scores.items())
        for start in range(0, len(items), _MEMBERS_PER_COMMAND):
            pairs: list[str] = []
            for member, score in items[start : start + _MEMBERS_PER_COMMAND]:
                pairs += (repr(-score), member)
            await self._redis.run("ZADD", name, *pairs)
            # After each command, so that the draft expires whenever the writer dies.
            await self._redis.run("PEXPIRE", name, REBUILD_MS)


def _board(tenant: str, board: str) -> str:
    return f"{{{tenant}/{board}}}:board"


def _lock(tenant: str, board: str) -> str:
    return f"{_board(tenant, board)}:rebuild"


def _changes(tenant: str, board: str) -> str:
    return f"{_board(tenant, board)}:changes"


def _entries(start: int, flat: list[Any]) -> list[Entry]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [
        Entry(start + index + 1, member.decode(), 0.0 - float(score)) for index, (member, score) in enumerate(pairs)
    ]
