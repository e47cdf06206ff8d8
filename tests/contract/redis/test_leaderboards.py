"""Boards are kept in Redis, and their scores in DynamoDB; both put members in the same order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from push.adapters.dynamodb.scores import DynamoDbScores
from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.leaderboards import KEPT_MS, MAX_CHANGED, RedisLeaderboards
from push.computes import Tenant
from push.errors import CacheUnavailableError, ComputeFailedError, TransientError
from push.settings import CacheSettings
from push.sources.boards import (
    Around,
    BoardView,
    ChangedMembers,
    Entry,
    RefreshedMembers,
    Top,
    View,
    view_scores,
)
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


async def install(boards: RedisLeaderboards, board: str, scores: dict[str, float], lowest_version: int = 0) -> int:
    token = await boards.begin_rebuild(ACME, board, lowest_version)
    assert token is not None
    version = await boards.end_rebuild(ACME, board, token, scores)
    assert version is not None
    return version


async def entries_of(boards: RedisLeaderboards, board: str, view: View) -> list[Entry]:
    found = await boards.read(ACME, board, view, 0)
    assert isinstance(found, BoardView)
    return found.entries


async def changed_members(boards: RedisLeaderboards, board: str) -> ChangedMembers:
    found = await boards.read(ACME, board, Top(10), 0)
    assert isinstance(found, ChangedMembers)
    return found


async def refresh(
    boards: RedisLeaderboards, board: str, changed: ChangedMembers, scores: dict[str, float]
) -> BoardView | ChangedMembers | None:
    return await boards.read(ACME, board, Top(10), 0, RefreshedMembers(changed, scores))


class TestBoards:
    async def test_a_board_that_was_never_installed_is_absent(self, boards: RedisLeaderboards, board: str) -> None:
        assert await boards.read(ACME, board, Top(10), 0) is None

    async def test_the_highest_score_comes_first_and_ties_go_by_member(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        await install(boards, board, {"b": 1.0, "c": 2.0, "a": 1.0})
        assert await entries_of(boards, board, Top(10)) == [
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
        assert await entries_of(boards, board, view) == view_scores(SCORES, view)

    async def test_a_large_board_is_installed_whole(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, {f"member {number}": float(number) for number in range(2500)})
        entries = await entries_of(boards, board, Around("member 0", 0))
        assert entries == [Entry(2500, "member 0", 0.0)]

    async def test_one_at_a_time_may_rebuild(self, boards: RedisLeaderboards, board: str) -> None:
        tokens = await asyncio.gather(*(boards.begin_rebuild(ACME, board, 0) for _ in range(5)))
        assert len([token for token in tokens if token is not None]) == 1

    async def test_a_board_that_is_there_is_not_rebuilt(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, SCORES)
        assert await boards.begin_rebuild(ACME, board, 0) is None

    async def test_a_board_is_seen_whole_or_not_at_all(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        scores = {f"member {number}": 1.0 for number in range(3000)}
        rebuild = asyncio.create_task(boards.end_rebuild(ACME, board, token, scores))
        seen = set()
        while not rebuild.done():
            found = await boards.read(ACME, board, Top(1000), 0)
            seen.add(len(found.entries) if isinstance(found, BoardView) else found)
        assert seen <= {None, 1000}
        assert await redis.run("EXISTS", f"{{acme/{board}}}:board:{token}") == 0

    async def test_who_lost_the_right_to_rebuild_installs_nothing(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        await redis.run("SET", f"{{acme/{board}}}:board:rebuild", "somebody else's", "PX", 1000)
        assert await boards.end_rebuild(ACME, board, token, {"old": 1.0}) is None
        assert await boards.read(ACME, board, Top(1), 0) is None
        assert await boards.begin_rebuild(ACME, board, 0) is None

    async def test_giving_up_lets_somebody_else_rebuild(self, boards: RedisLeaderboards, board: str) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        await boards.end_rebuild(ACME, board, token, None)
        assert await boards.begin_rebuild(ACME, board, 0) is not None

    async def test_a_board_goes_by_itself(self, boards: RedisLeaderboards, redis: AsyncRedis, board: str) -> None:
        await install(boards, board, SCORES)
        assert 0 < await redis.run("PTTL", f"{{acme/{board}}}:board") <= KEPT_MS

    async def test_tenants_boards_of_one_name_are_apart(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, SCORES)
        assert await boards.read(Tenant("other"), board, Top(1), 0) is None

    async def test_without_redis_the_error_says_so(self, board: str) -> None:
        redis = AsyncRedis(CacheSettings(cache_url="redis://127.0.0.1:1/0"))
        with pytest.raises(CacheUnavailableError):
            await RedisLeaderboards(redis).read(ACME, board, Top(1), 0)
        await redis.close()


class TestChanges:
    async def test_a_reader_reads_changed_members_from_the_source_first(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        await install(boards, board, {"a": 1.0, "b": 2.0, "c": 3.0})
        await boards.mark_changed(ACME, board, ["a", "b", "d", "never there"])
        changed = await changed_members(boards, board)
        assert set(changed.members) == {"a", "b", "d", "never there"}
        found = await refresh(boards, board, changed, {"a": 9.0, "d": 0.5})
        assert isinstance(found, BoardView)
        assert found.entries == [Entry(1, "a", 9.0), Entry(2, "c", 3.0), Entry(3, "d", 0.5)]
        assert await boards.read(ACME, board, Top(10), 0) == found

    async def test_a_mark_does_not_make_an_absent_board(self, boards: RedisLeaderboards, board: str) -> None:
        await boards.mark_changed(ACME, board, ["a"])
        assert await boards.read(ACME, board, Top(10), 0) is None

    async def test_marks_and_refreshes_do_not_prolong_a_board(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        await install(boards, board, SCORES)
        names = [f"{{acme/{board}}}:board{part}" for part in ("", ":state")]
        for name in names:
            await redis.run("PEXPIRE", name, 5000)
        await boards.mark_changed(ACME, board, ["ada"])
        await refresh(boards, board, await changed_members(boards, board), {"ada": 9.0})
        assert all([0 < await redis.run("PTTL", name) <= 5000 for name in names])

    async def test_as_many_changed_members_as_may_be_are_refreshed(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, SCORES)
        scores = {f"member {number}": 1.0 * number for number in range(MAX_CHANGED)}
        await boards.mark_changed(ACME, board, scores)
        await refresh(boards, board, await changed_members(boards, board), scores)
        assert await entries_of(boards, board, Around("member 999", 0)) == [Entry(2, "member 999", 999.0)]

    async def test_with_more_of_them_the_board_is_built_anew(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        await install(boards, board, SCORES)
        await boards.mark_changed(ACME, board, [f"member {number}" for number in range(2500)])
        assert await boards.read(ACME, board, Top(10), 0) is None
        assert await redis.run("EXISTS", f"{{acme/{board}}}:board:state") == 0

    async def test_of_two_refreshes_at_once_one_is_stored(self, boards: RedisLeaderboards, board: str) -> None:
        """Nothing tells which of the two read the source first."""
        await install(boards, board, {"a": 10.0})
        await boards.mark_changed(ACME, board, ["a"])
        slow = await changed_members(boards, board)
        await boards.mark_changed(ACME, board, ["a"])
        quick = await changed_members(boards, board)
        await refresh(boards, board, quick, {"a": 20.0})
        found = await refresh(boards, board, slow, {"a": 15.0})
        assert isinstance(found, BoardView)
        assert found.entries == [Entry(1, "a", 20.0)]

    async def test_whose_refresh_was_not_stored_lists_again_what_is_left(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        await install(boards, board, {"a": 10.0})
        await boards.mark_changed(ACME, board, ["a"])
        slow, quick = await changed_members(boards, board), await changed_members(boards, board)
        await refresh(boards, board, quick, {"a": 15.0})
        await boards.mark_changed(ACME, board, ["b"])
        found = await refresh(boards, board, slow, {"a": 15.0})
        assert isinstance(found, ChangedMembers)
        assert found.members == ("b",)

    async def test_a_member_that_changes_again_during_a_refresh_stays_marked(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        await install(boards, board, {"a": 10.0})
        await boards.mark_changed(ACME, board, ["a"])
        changed = await changed_members(boards, board)
        await boards.mark_changed(ACME, board, ["a"])
        found = await refresh(boards, board, changed, {"a": 15.0})
        assert isinstance(found, BoardView), "the reader has every change that was marked before it listed them"
        assert found.entries == [Entry(1, "a", 15.0)]
        assert (await changed_members(boards, board)).members == ("a",)

    async def test_a_refresh_of_an_earlier_board_is_not_stored(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        await install(boards, board, {"a": 10.0})
        await boards.mark_changed(ACME, board, ["a"])
        changed = await changed_members(boards, board)
        await redis.run("DEL", f"{{acme/{board}}}:board")  # its time ran out
        await install(boards, board, {"a": 20.0})
        await refresh(boards, board, changed, {"a": 15.0})
        assert await entries_of(boards, board, Top(10)) == [Entry(1, "a", 20.0)]

    async def test_a_board_without_members_is_absent(self, boards: RedisLeaderboards, board: str) -> None:
        await install(boards, board, {"a": 1.0})
        await boards.mark_changed(ACME, board, ["a"])
        assert await refresh(boards, board, await changed_members(boards, board), {}) is None
        assert await boards.begin_rebuild(ACME, board, 0)


class TestRebuilds:
    async def test_members_that_change_during_a_rebuild_stay_marked(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        await boards.mark_changed(ACME, board, ["a"])
        await boards.end_rebuild(ACME, board, token, {"a": 1.0})
        assert (await changed_members(boards, board)).members == ("a",)

    async def test_a_later_rebuild_forgets_the_marks_of_a_dead_one(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        assert await boards.begin_rebuild(ACME, board, 0)
        await boards.mark_changed(ACME, board, ["a"])
        await redis.run("DEL", f"{{acme/{board}}}:board:rebuild")  # its time ran out
        await install(boards, board, {"a": 7.0})
        assert await entries_of(boards, board, Top(10)) == [Entry(1, "a", 7.0)]

    async def test_a_rebuild_without_its_marks_is_not_installed(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        await redis.run("DEL", f"{{acme/{board}}}:board:state")  # Redis evicted it
        assert await boards.end_rebuild(ACME, board, token, {"a": 1.0}) is None
        assert await boards.read(ACME, board, Top(1), 0) is None

    @pytest.mark.parametrize("part", ["", ":state"])
    async def test_a_board_that_redis_evicted_in_part_is_absent(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str, part: str
    ) -> None:
        await install(boards, board, SCORES)
        await redis.run("DEL", f"{{acme/{board}}}:board{part}")
        assert await boards.read(ACME, board, Top(1), 0) is None
        await install(boards, board, {"new": 1.0})
        assert await entries_of(boards, board, Top(10)) == [Entry(1, "new", 1.0)]

    async def test_a_board_older_than_its_reader_accepts_is_built_anew_as_new_enough(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        seen = await install(boards, board, {"a": 15.0}) + 60_000  # by a clock ahead of Redis's
        assert await boards.read(ACME, board, Top(1), seen) is None
        assert await install(boards, board, {"a": 20.0}, seen) == seen
        assert await boards.read(ACME, board, Top(1), seen) == BoardView([Entry(1, "a", 20.0)], seen)

    async def test_a_board_that_is_too_old_is_absent_to_everybody_from_the_rebuild_on(
        self, boards: RedisLeaderboards, board: str
    ) -> None:
        version = await install(boards, board, {"old": 1.0})
        token = await boards.begin_rebuild(ACME, board, version + 60_000)
        assert token is not None
        assert await boards.read(ACME, board, Top(1), 0) is None

    async def test_a_rebuild_whose_marks_were_replaced_is_not_installed(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        await redis.run("HSET", f"{{acme/{board}}}:board:state", "refresh", "another rebuild's")
        assert await boards.end_rebuild(ACME, board, token, {"old": 1.0}) is None
        assert await boards.read(ACME, board, Top(1), 0) is None

    async def test_an_installation_whose_reply_was_lost_says_so_again(
        self, boards: RedisLeaderboards, redis: AsyncRedis, board: str
    ) -> None:
        token = await boards.begin_rebuild(ACME, board, 0)
        assert token is not None
        version = await boards.end_rebuild(ACME, board, token, {"a": 1.0})
        assert await boards.end_rebuild(ACME, board, token, {"a": 1.0}) == version


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

    def test_some_members_are_read_and_absent_ones_are_left_out(self, aws: Aws, scores: DynamoDbScores) -> None:
        many = {f"member {number}": float(number) for number in range(250)}
        aws.put_scores("acme", "chess", many)
        assert scores.read_some(ACME, "chess", [*many, "nobody"]) == many

    def test_a_row_without_a_numeric_score_is_not_on_the_board(self, aws: Aws, scores: DynamoDbScores) -> None:
        aws.put_scores("acme", "chess", {"ada": 1.0})
        for member, score in (("bob", {"S": "many"}), ("cyd", None)):
            row = {"board": {"S": "acme/chess"}, "member": {"S": member}} | ({"score": score} if score else {})
            aws.client("dynamodb").put_item(TableName=aws.tables["scores"], Item=row)
        assert scores.read_all(ACME, "chess") == {"ada": 1.0}
        assert scores.read_some(ACME, "chess", ["ada", "bob", "cyd"]) == {"ada": 1.0}

    def test_a_board_of_several_pages_is_read_whole(self, aws: Aws, scores: DynamoDbScores) -> None:
        large = {f"{'x' * 1000}{number}": 1.0 for number in range(1100)}  # over the megabyte that a page holds
        aws.put_scores("acme", "large", large)
        assert scores.read_all(ACME, "large") == large

    def test_a_table_that_is_not_there_is_transient(self, aws: Aws) -> None:
        with pytest.raises(TransientError):
            DynamoDbScores(aws.client("dynamodb"), "absent").read_all(ACME, "chess")
