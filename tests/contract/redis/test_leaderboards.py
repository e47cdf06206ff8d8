"""Boards are kept in Redis, and their scores in DynamoDB; both put members in the same order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from push.adapters.dynamodb.scores import DynamoDbScores
from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.leaderboards import KEPT_MS, RedisLeaderboards
from push.computes import Tenant
from push.errors import CacheUnavailableError, ComputeFailedError, TransientError
from push.settings import CacheSettings
from push.sources.boards import Around, Entry, Top, View, view_scores
from tests.servers.aws import Aws

ACME = Tenant("acme")
SCORES = {"ada": 10.0, "bob": 12.5, "cyd": 10.0, "Zoe": 10.0, "émile": 10.0, "neg": -3.0, "zero": 0.0, "big": 1e15}


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[AsyncRedis]:
    url = request.getfixturevalue(request.param)
    redis = AsyncRedis(CacheSettings(cache_url=url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000))
    yield redis
    await redis.close()


@pytest.fixture
def boards(redis: AsyncRedis) -> RedisLeaderboards:
    return RedisLeaderboards(redis)


@pytest.fixture
def board() -> str:
    return uuid.uuid4().hex


async def install(boards: RedisLeaderboards, board: str, scores: dict[str, float]) -> None:
    token = await boards.begin_rebuild(ACME, board)
    assert token is not None
    await boards.end_rebuild(ACME, board, token, scores)


class TestBoards:
    async def test_a_board_that_was_never_installed_is_absent(self, boards: RedisLeaderboards, board: str) -> None:
        assert await boards.read(ACME, board, Top(10)) is None

    async def test_the_highest_score_comes_first_and_ties_go_by_member(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        await install(boards, board, {"b": 1.0, "c": 2.0, "a": 1.0})
        assert await boards.read(ACME, board, Top(10)) == [
            Entry(1, "c", 2.0),
            Entry(2, "a", 1.0),
            Entry(3, "b", 1.0),
        ]

    @pytest.mark.parametrize(
        "view",
        [
            Top(1),
            Top(3),
            Top(1000),
            Around("bob", 1),
            Around("zero", 2),
            Around("neg", 50),
            Around("ada", 0),
            Around("nobody", 5),
        ],
        ids=str,
    )
    async def test_redis_and_the_source_agree(self, boards: RedisLeaderboards, board: str, view: View) -> None:
        await install(boards, board, SCORES)
        assert await boards.read(ACME, board, view) == view_scores(SCORES, view)

    async def test_a_large_board_is_installed_whole(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, {f"member {number}": float(number) for number in range(2500)})
        entries = await boards.read(ACME, board, Around("member 0", 0))
        assert entries == [Entry(2500, "member 0", 0.0)]

    async def test_one_at_a_time_may_rebuild(self, boards: RedisLeaderboards, board: str) -> None:
        tokens = await asyncio.gather(*(boards.begin_rebuild(ACME, board) for _ in range(5)))
        assert len([token for token in tokens if token is not None]) == 1

    async def test_a_board_that_is_there_is_not_rebuilt(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, SCORES)
        assert await boards.begin_rebuild(ACME, board) is None

    async def test_a_board_is_seen_whole_or_not_at_all(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board)
        assert token is not None
        scores = {f"member {number}": 1.0 for number in range(3000)}
        rebuild = asyncio.create_task(boards.end_rebuild(ACME, board, token, scores))
        seen = set()
        while not rebuild.done():
            entries = await boards.read(ACME, board, Top(1000))
            seen.add(None if entries is None else len(entries))
        assert seen <= {None, 1000}
        assert await redis.run("EXISTS", f"{{acme/{board}}}:board:{token}") == 0

    async def test_who_lost_the_right_to_rebuild_installs_nothing(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board)
        assert token is not None
        await redis.run("SET", f"{{acme/{board}}}:board:rebuild", "somebody else's", "PX", 1000)
        await boards.end_rebuild(ACME, board, token, {"old": 1.0})
        assert await boards.read(ACME, board, Top(1)) is None
        assert await boards.begin_rebuild(ACME, board) is None

    async def test_giving_up_lets_somebody_else_rebuild(self, boards: RedisLeaderboards, board: str) -> None:
        token = await boards.begin_rebuild(ACME, board)
        assert token is not None
        await boards.end_rebuild(ACME, board, token, None)
        assert await boards.begin_rebuild(ACME, board) is not None

    async def test_a_board_goes_by_itself(self, boards: RedisLeaderboards, redis: AsyncRedis, board: str) -> None:
        await install(boards, board, SCORES)
        assert 0 < await redis.run("PTTL", f"{{acme/{board}}}:board") <= KEPT_MS

    async def test_an_update_moves_adds_and_takes_off_members(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, {"a": 1.0, "b": 2.0, "c": 3.0})
        await boards.update(ACME, board, {"a": 9.0, "b": None, "d": 0.5, "never there": None})
        assert await boards.read(ACME, board, Top(10)) == [Entry(1, "a", 9.0), Entry(2, "c", 3.0), Entry(3, "d", 0.5)]

    async def test_an_update_does_not_make_an_absent_board(self, boards: RedisLeaderboards, board: str) -> None:
        await boards.update(ACME, board, {"a": 9.0})
        assert await boards.read(ACME, board, Top(10)) is None

    async def test_an_update_does_not_prolong_a_board(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        await install(boards, board, SCORES)
        await redis.run("PEXPIRE", f"{{acme/{board}}}:board", 500)
        await boards.update(ACME, board, {"a": 9.0})
        assert 0 < await redis.run("PTTL", f"{{acme/{board}}}:board") <= 500

    async def test_more_members_than_one_command_takes_are_updated(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, SCORES)
        await boards.update(ACME, board, {f"member {number}": 1.0 * number for number in range(2500)})
        assert await boards.read(ACME, board, Around("member 2499", 0)) == [Entry(2, "member 2499", 2499.0)]

    async def test_a_rebuild_does_not_undo_what_changed_while_it_read(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board)
        assert token is not None
        await boards.update(ACME, board, {"a": 5.0, "gone": None, "new": 4.0})
        await boards.update(ACME, board, {"a": 6.0})
        await boards.end_rebuild(ACME, board, token, {"a": 1.0, "gone": 2.0, "still": 3.0})
        entries = await boards.read(ACME, board, Top(10))
        assert entries == [Entry(1, "a", 6.0), Entry(2, "new", 4.0), Entry(3, "still", 3.0)]
        assert await redis.run("EXISTS", f"{{acme/{board}}}:board:changes") == 0

    async def test_what_a_dead_rebuild_noted_is_not_put_on_a_later_one(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        assert await boards.begin_rebuild(ACME, board)
        await boards.update(ACME, board, {"a": 5.0})
        await redis.run("DEL", f"{{acme/{board}}}:board:rebuild")  # its time ran out
        await boards.update(ACME, board, {"a": 7.0})
        await install(boards, board, {"a": 7.0})
        assert await boards.read(ACME, board, Top(10)) == [Entry(1, "a", 7.0)]

    async def test_tenants_boards_of_one_name_are_apart(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, SCORES)
        assert await boards.read(Tenant("other"), board, Top(1)) is None

    async def test_without_redis_the_error_says_so(self, board: str) -> None:
        redis = AsyncRedis(CacheSettings(cache_url="redis://127.0.0.1:1/0"))
        with pytest.raises(CacheUnavailableError):
            await RedisLeaderboards(redis).read(ACME, board, Top(1))
        await redis.close()


class TestScores:
    @pytest.fixture
    def scores(self, aws: Aws) -> DynamoDbScores:
        return DynamoDbScores(aws.client("dynamodb"), aws.tables["scores"])

    def test_all_members_of_a_board_are_read(self, aws: Aws, scores: DynamoDbScores) -> None:
        aws.put_scores("acme", "chess", SCORES)
        aws.put_scores("acme", "go", {"other": 1.0})
        assert scores.read_all(ACME, "chess") == SCORES

    def test_a_board_nobody_is_on_is_empty(self, scores: DynamoDbScores) -> None:
        assert scores.read_all(ACME, "chess") == {}

    def test_another_tenants_scores_are_not_read(self, aws: Aws, scores: DynamoDbScores) -> None:
        aws.put_scores("other", "chess", SCORES)
        assert scores.read_all(ACME, "chess") == {}

    def test_a_board_larger_than_can_be_read_is_refused(
        self, aws: Aws, scores: DynamoDbScores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("push.adapters.dynamodb.scores.MAX_MEMBERS", 2)
        aws.put_scores("acme", "huge", {"a": 1.0, "b": 1.0, "c": 1.0})
        with pytest.raises(ComputeFailedError):
            scores.read_all(ACME, "huge")

    def test_a_board_of_several_pages_is_read_whole(self, aws: Aws, scores: DynamoDbScores) -> None:
        large = {f"{'x' * 1000}{number}": 1.0 for number in range(1100)}  # over the megabyte that a page holds
        aws.put_scores("acme", "large", large)
        assert scores.read_all(ACME, "large") == large

    def test_a_table_that_is_not_there_is_transient(self, aws: Aws) -> None:
        with pytest.raises(TransientError):
            DynamoDbScores(aws.client("dynamodb"), "absent").read_all(ACME, "chess")
