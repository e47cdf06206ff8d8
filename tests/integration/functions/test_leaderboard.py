"""The compute `leaderboard`, over Redis and DynamoDB, and over DynamoDB alone."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec
import pytest

from compute.leaderboard import BoardReader, build, leaderboard
from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.leaderboards import RedisLeaderboards
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode, TransientError
from push.settings import ComputeSettings
from push.sources.boards import Top
from push.sources.contexts import Context
from tests.servers.aws import Aws

Run = Callable[..., Awaitable[Any]]
SCORES = {f"player-{number:02}": 100.0 - number for number in range(30)}


@pytest.fixture(params=["with Redis", "without Redis"])
def run(request: pytest.FixtureRequest, aws: Aws, settings: ComputeSettings) -> Run:
    if request.param == "without Redis":
        settings = dataclasses.replace(settings, cache_url="redis://127.0.0.1:1/0", cache_connect_timeout_ms=50)
    # Tests share a Redis: each has a board of its own.
    board = aws.bucket

    async def run(**params: Any) -> Any:
        parsed = leaderboard.parse_params(msgspec.json.encode({"board": board, **params}))
        computed = await leaderboard.invoke(parsed, Context(tenant=Tenant("acme"), attempt=1, settings=settings))
        return computed.value

    aws.put_scores("acme", board, SCORES)
    aws.put_scores("other", board, {"stranger": 1e9})
    return run


async def test_the_first_ten_come_by_default(run: Run) -> None:
    entries = await run()
    assert [entry["member"] for entry in entries] == [f"player-{number:02}" for number in range(10)]
    assert entries[0] == {"rank": 1, "member": "player-00", "score": 100}


async def test_as_many_come_as_are_asked_for(run: Run) -> None:
    assert len(await run(top=3)) == 3
    assert len(await run(top=1000)) == len(SCORES)


async def test_a_member_comes_with_five_on_either_side(run: Run) -> None:
    entries = await run(around="player-15")
    assert [entry["rank"] for entry in entries] == list(range(11, 22))
    assert entries[5]["member"] == "player-15"


async def test_at_the_end_of_the_board_there_are_fewer_neighbours(run: Run) -> None:
    assert [entry["rank"] for entry in await run(around="player-00")] == list(range(1, 7))
    assert [entry["rank"] for entry in await run(around="player-29")] == list(range(25, 31))


async def test_a_member_alone_comes_with_rank_and_score(run: Run) -> None:
    assert await run(rank="player-29") == {"rank": 30, "member": "player-29", "score": 71}


@pytest.mark.parametrize("view", ["rank", "around"])
async def test_who_is_not_on_the_board_is_not_found(run: Run, view: str) -> None:
    with pytest.raises(ComputeFailedError, match="stranger") as caught:
        await run(**{view: "stranger"})
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_a_board_nobody_is_on_is_empty(run: Run) -> None:
    assert await run(board="nothing") == []


async def test_asking_again_gives_the_same(run: Run) -> None:
    assert await run() == await run()


class CountedScores:
    """A source that takes its time, and counts."""

    def __init__(self, error: TransientError | None = None) -> None:
        self.reads = 0
        self.release = threading.Event()
        self._error = error

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        self.reads += 1
        assert self.release.wait(5)
        if self._error is not None:
            raise self._error
        return SCORES

    def read_some(self, tenant: Tenant, board: str, members: Collection[str]) -> dict[str, float]:
        raise AssertionError("nothing has changed")


@pytest.fixture
def boards(settings: ComputeSettings) -> RedisLeaderboards:
    return RedisLeaderboards(AsyncRedis(settings))


async def test_many_who_ask_for_an_absent_board_read_its_source_once(aws: Aws, boards: RedisLeaderboards) -> None:
    scores = CountedScores()
    readers = [BoardReader(scores, boards) for _ in range(20)]
    asking = asyncio.gather(*(reader.read(Tenant("acme"), aws.bucket, Top(1)) for reader in readers))
    await asyncio.sleep(0.2)
    scores.release.set()
    answers = await asking
    assert scores.reads == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_rebuild_that_failed_holds_nobody_up(aws: Aws, boards: RedisLeaderboards) -> None:
    failing = CountedScores(TransientError("The source is away."))
    failing.release.set()
    with pytest.raises(TransientError):
        await BoardReader(failing, boards).read(Tenant("acme"), aws.bucket, Top(1))
    scores = CountedScores()
    scores.release.set()
    found = await asyncio.wait_for(BoardReader(scores, boards).read(Tenant("acme"), aws.bucket, Top(1)), 1)
    assert found.entries[0].member == "player-00"


async def test_when_the_one_who_rebuilds_has_died_the_source_is_read_instead(
    aws: Aws, boards: RedisLeaderboards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compute.leaderboard._WAIT_SECONDS", 0.2)
    assert await boards.begin_rebuild(Tenant("acme"), aws.bucket, 0)
    scores = CountedScores()
    scores.release.set()
    found = await BoardReader(scores, boards).read(Tenant("acme"), aws.bucket, Top(1))
    assert found.entries[0].member == "player-00"


async def test_without_a_table_there_are_no_leaderboards(settings: ComputeSettings) -> None:
    with pytest.raises(ComputeFailedError):
        build(dataclasses.replace(settings, scores_table=""))


@pytest.mark.parametrize("view", [{}, {"rank": "ada"}, {"rank": "nobody"}], ids=str)
async def test_after_a_moment_without_redis_the_board_there_is_too_old(
    aws: Aws, settings: ComputeSettings, view: dict[str, str]
) -> None:
    """A result from the table is newer than the board, which a slow consumer of the stream has not marked yet."""

    async def run(settings: ComputeSettings, stored_version: int = 0) -> tuple[object, int]:
        context = Context(tenant=Tenant("acme"), settings=settings, stored_version=stored_version)
        parsed = leaderboard.parse_params(msgspec.json.encode({"board": aws.bucket, **view}))
        try:
            computed = await leaderboard.invoke(parsed, context)
        except ComputeFailedError as exc:
            return exc.code, exc.source_version
        return computed.value, computed.source_version

    aws.put_scores("acme", aws.bucket, {"ada": 15.0})
    _, first = await run(settings)
    aws.put_scores("acme", aws.bucket, {"ada": 20.0})
    away = dataclasses.replace(settings, cache_url="redis://127.0.0.1:1/0", cache_connect_timeout_ms=50)
    without_redis, second = await run(away, first)
    again, third = await run(settings, second)
    assert again == without_redis
    assert first <= second <= third
    assert await run(settings, third) == (again, third)
