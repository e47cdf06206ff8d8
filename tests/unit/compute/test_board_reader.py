"""The version of a board that was read past Redis: the next reader of the key must not get an older board."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from compute.leaderboard import BoardReader
from push.computes import Tenant
from push.errors import CacheUnavailableError, ComputeFailedError
from push.sources.boards import BoardView, Top, View

NOW_MS = 1_732_000_000_000
CLOCKS_APART_MS = 10_000
ACME = Tenant("acme")


class Scores:
    """`Scores` of one member, or of too many."""

    def __init__(self, *, are_too_many: bool = False) -> None:
        self._are_too_many = are_too_many

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        if self._are_too_many:
            raise ComputeFailedError("The board is too large.")
        return {"ada": 1.0}

    def read_some(self, tenant: Tenant, board: str, members: Collection[str]) -> dict[str, float]:
        raise AssertionError("no member is marked")


class Boards:
    """`BoardCache` that never keeps a board: `fails` says where the rebuild ends."""

    def __init__(self, fails: str) -> None:
        self._fails = fails

    async def read(self, tenant: Tenant, board: str, view: View, lowest_version: int, refreshed: object = None) -> None:
        self._fail("read")

    async def begin_rebuild(self, tenant: Tenant, board: str, lowest_version: int) -> str:
        self._fail("begin")
        return "token"

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> int | None:
        self._fail("end")
        return None

    async def mark_changed(self, tenant: Tenant, board: str, members: Collection[str]) -> None:
        raise AssertionError("a reader marks nothing")

    def _fail(self, where: str) -> None:
        if self._fails == where:
            raise CacheUnavailableError("Redis is away.")


async def read(fails: str, lowest_version: int = 0, *, are_too_many: bool = False) -> BoardView:
    reader = BoardReader(Scores(are_too_many=are_too_many), Boards(fails), lambda: NOW_MS)
    return await reader.read(ACME, "chess", Top(10), lowest_version)


@pytest.mark.parametrize("fails", ["read", "begin", "end", "the rebuild was overtaken"])
async def test_it_is_later_than_that_of_any_board_whose_clock_is_ten_seconds_ahead(fails: str) -> None:
    found = await read(fails)
    assert [entry.member for entry in found.entries] == ["ada"]
    assert found.version >= NOW_MS + CLOCKS_APART_MS


@pytest.mark.parametrize("fails", ["read", "begin", "end", "the rebuild was overtaken"])
async def test_it_is_later_than_that_of_the_result_before_whatever_the_clock_says(
    fails: str,
) -> None:
    stored_version = NOW_MS + 60_000
    assert (await read(fails, stored_version)).version > stored_version


@pytest.mark.parametrize("stored_version", [0, NOW_MS + 60_000])
async def test_a_failure_has_such_a_version_too(stored_version: int) -> None:
    with pytest.raises(ComputeFailedError) as caught:
        await read("read", stored_version, are_too_many=True)
    assert caught.value.source_version >= max(stored_version + 1, NOW_MS + CLOCKS_APART_MS)
