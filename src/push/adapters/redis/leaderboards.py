"""Leaderboards in Redis: a sorted set of members, and a hash with the board's state, for each.

Redis breaks ties in ascending order of members. Scores are stored negated, so ascending order puts the highest score
first and breaks ties by member.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

from push.adapters.redis.connection import AsyncRedis, load_script
from push.computes import Tenant
from push.sources.boards import Around, BoardView, ChangedMembers, Entry, RefreshedMembers, Top, View

KEPT_MS = 60_000
"""Lifetime of a board, from the start of its rebuild. A change that no event announced shows after at most this time.

The lifetime is shorter than that of a result of the compute `leaderboard`: a result that was computed without Redis is
still there, with its version, when the last older board is gone.
"""

REBUILD_MS = 15_000
"""Time limit of a rebuild, after which another worker may begin one."""

MAX_CHANGED = 1000
"""The most members that a reader refreshes. A board with more is built anew: reading it whole costs less."""

_MEMBERS_PER_COMMAND = 1000
"""ElastiCache Serverless takes at most 3,999 arguments a request."""


class RedisLeaderboards:
    """`push.sources.ports.BoardCache` on Redis. All Redis keys of one board share a hash slot."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read(
        self, tenant: Tenant, board: str, view: View, lowest_version: int, refreshed: RefreshedMembers | None = None
    ) -> BoardView | ChangedMembers | None:
        """See `BoardCache.read`."""
        match view:
            case Top(count):
                args: list[str | int] = ["top", count, "", lowest_version]
            case Around(member, neighbours):
                args = ["around", neighbours, member, lowest_version]
        if refreshed is not None:
            args += _args_of(refreshed)
        names = (_board(tenant, board), _state(tenant, board))
        outcome, *found = await self._redis.run_script(load_script("read_board"), names, args)
        if outcome == b"absent":
            return None
        if outcome == b"changed":
            refresh, position, members = found
            return ChangedMembers(tuple(map(bytes.decode, members)), refresh.decode(), int(position))
        version, *entries = found
        return BoardView(_entries(*entries) if entries else [], int(version))

    async def begin_rebuild(self, tenant: Tenant, board: str, lowest_version: int) -> str | None:
        """See `BoardCache.begin_rebuild`."""
        token = secrets.token_hex(12)
        names = (_lock(tenant, board), _state(tenant, board), _board(tenant, board))
        args = (token, REBUILD_MS, KEPT_MS, lowest_version)
        is_ours = await self._redis.run_script(load_script("begin_rebuild"), names, args)
        return token if is_ours else None

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> int | None:
        """See `BoardCache.end_rebuild`."""
        draft = f"{_board(tenant, board)}:{token}"
        await self._write(draft, scores or {})
        names = (draft, _board(tenant, board), _lock(tenant, board), _state(tenant, board))
        return int(await self._redis.run_script(load_script("install_board"), names, (token,))) or None

    async def mark_changed(self, tenant: Tenant, board: str, members: Collection[str]) -> None:
        """See `BoardCache.mark_changed`."""
        names = (_board(tenant, board), _state(tenant, board))
        distinct = list(dict.fromkeys(members))
        for start in range(0, len(distinct), _MEMBERS_PER_COMMAND):
            args: tuple[str | int, ...] = (MAX_CHANGED, *distinct[start : start + _MEMBERS_PER_COMMAND])
            await self._redis.run_script(load_script("mark_members"), names, args)

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


def _state(tenant: str, board: str) -> str:
    return f"{_board(tenant, board)}:state"


def _args_of(refreshed: RefreshedMembers) -> list[str | int]:
    changed = refreshed.changed
    args: list[str | int] = [changed.refresh, changed.position, secrets.token_hex(12)]
    for member in changed.members:
        score = refreshed.scores.get(member)
        args += ("" if score is None else repr(-score), member)
    return args


def _entries(start: int, flat: list[Any]) -> list[Entry]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [
        Entry(start + index + 1, member.decode(), 0.0 - float(score)) for index, (member, score) in enumerate(pairs)
    ]
