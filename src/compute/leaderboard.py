"""The compute `leaderboard`: ranks from a sorted set in Redis, which is read from DynamoDB when it is missing.

Changes only mark members of the set; a reader reads marked members from DynamoDB before it uses the set.

Functions that only check params import this module too, so clients of AWS and Redis are imported at their first use.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Annotated

import msgspec

from push.changes.declaring import ChangeBatch, changes_of
from push.changes.own_sources import SCORES, split_row_key
from push.changes.records import ChangedTag, ChangeRecord
from push.computes import Computed, Tenant, compute
from push.errors import CacheUnavailableError, ComputeFailedError, ErrorCode
from push.names import Name
from push.settings import ComputeSettings
from push.sources.boards import (
    Around,
    BoardView,
    ChangedMembers,
    RefreshedMembers,
    Top,
    View,
    board_tag,
    require_member,
    view_scores,
)
from push.sources.contexts import Context
from push.sources.ports import BoardCache, Scores

logger = logging.getLogger(__name__)

DEFAULT_TOP = 10
NEIGHBOURS = 5

_POLL_SECONDS = 0.05
_WAIT_SECONDS = 5.0
"""The time to wait for another worker's rebuild before reading the source."""

_CLOCKS_APART_MS = 10_000
"""The most that the clocks of Redis and of this machine may differ."""

Member = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class LeaderboardParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board, and one view of it: its top, a member with its neighbours, or the rank of a member."""

    board: Name
    top: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    around: Member | None = None
    rank: Member | None = None

    def __post_init__(self) -> None:
        """Refuse more than one view; write the default out, so that it has the same key."""
        given = [part for part in (self.top, self.around, self.rank) if part is not None]
        if len(given) > 1:
            raise ValueError("Only one of `top`, `around` and `rank` may be given")
        if not given:
            msgspec.structs.force_setattr(self, "top", DEFAULT_TOP)


def leaderboard_tags(params: LeaderboardParams) -> tuple[str, ...]:
    """Return the board's tag."""
    return (board_tag(params.board),)


@compute(
    ttl=5.0,
    stale_ttl=60.0,
    timeout=20.0,
    tags=leaderboard_tags,
)
async def leaderboard(params: LeaderboardParams, context: Context) -> object:
    """Return a list of entries `{"rank", "member", "score"}`; for `rank` a single entry."""
    member = params.rank or params.around
    if member is None:
        view: View = Top(params.top or DEFAULT_TOP)
    else:
        view = Around(member, 0 if params.rank else NEIGHBOURS)
    reader = build(context.settings)
    found = await reader.read(context.tenant, params.board, view, context.stored_version)
    if member is not None:
        require_member(found, member, params.board)
    entries = [entry.as_json() for entry in found.entries]
    return Computed(entries[0] if params.rank else entries, found.version)


async def mark_members(batch: ChangeBatch) -> None:
    """Mark the members whose rows were written or removed, one call for each board.

    Before the tags are raised: a compute that starts afterwards must not read an old score.
    """
    from push.adapters.redis.connection import shared_async_redis
    from push.adapters.redis.leaderboards import RedisLeaderboards

    members: dict[tuple[Tenant, str], dict[str, None]] = {}
    for record in batch.records:
        tenant, board, member = _split(record)
        members.setdefault((tenant, board), {})[member] = None
    boards = RedisLeaderboards(shared_async_redis(batch.settings))
    for (tenant, board), changed in members.items():
        await boards.mark_changed(tenant, board, changed)


@changes_of(SCORES, before=mark_members)
def changed_board(record: ChangeRecord) -> list[ChangedTag]:
    """Return the tag of the board that a row belongs to.

    Its score does not matter: the record may arrive after a newer state of the row was read.
    """
    tenant, board, _ = _split(record)
    return [ChangedTag(board_tag(board), tenant)]


def _split(record: ChangeRecord) -> tuple[Tenant, str, str]:
    return split_row_key(record, "board", "member")


@cache
def build(settings: ComputeSettings) -> BoardReader:
    """Make the reader of boards, once per execution environment."""
    from push.adapters.aws.clients import make_client
    from push.adapters.dynamodb.scores import DynamoDbScores
    from push.adapters.redis.connection import shared_async_redis
    from push.adapters.redis.leaderboards import RedisLeaderboards

    if not settings.scores_table:
        raise ComputeFailedError("This deployment has no leaderboards.", code=ErrorCode.NOT_FOUND)
    scores = DynamoDbScores(make_client("dynamodb"), settings.scores_table)
    return BoardReader(scores, RedisLeaderboards(shared_async_redis(settings)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class BoardReader(msgspec.Struct, frozen=True):
    """Reads boards for one execution environment. Without Redis it reads the source, which is slower.

    A result that was read past Redis is newer than the board there, which lags behind the source. So its version is
    later than that of the board, and the next reader of the same key, which asks for that version, rebuilds the board.
    """

    scores: Scores
    boards: BoardCache
    now_ms: Callable[[], int] = _now_ms

    async def read(self, tenant: Tenant, board: str, view: View, lowest_version: int = 0) -> BoardView:
        """Return a view of a board of at least a version; no entries if the board or the member does not exist.

        Raises:
            ComputeFailedError: the board is too large.
            TransientError: DynamoDB did not answer.

        """
        try:
            found = await self._read_kept(tenant, board, view, lowest_version)
        except CacheUnavailableError as exc:
            logger.warning("reading a leaderboard from its source: %s", exc.message)
            found = None
        if found is None:
            scores = await self._read_source(tenant, board, lowest_version)
            return BoardView(view_scores(scores, view), self._version_now(lowest_version))
        return found

    async def _read_kept(self, tenant: Tenant, board: str, view: View, lowest_version: int) -> BoardView | None:
        """Read a board in Redis, or rebuild it, or wait for another worker's rebuild; None if that takes too long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _WAIT_SECONDS
        refreshed: RefreshedMembers | None = None
        while loop.time() < until:
            found = await self.boards.read(tenant, board, view, lowest_version, refreshed)
            if isinstance(found, BoardView):
                return found
            refreshed = await self._refresh(tenant, board, found) if found else None
            if refreshed is None:
                token = await self.boards.begin_rebuild(tenant, board, lowest_version)
                if token is not None:
                    return await self._rebuild(tenant, board, view, lowest_version, token)
                await asyncio.sleep(_POLL_SECONDS)
        return None

    async def _refresh(self, tenant: Tenant, board: str, changed: ChangedMembers) -> RefreshedMembers:
        scores = await asyncio.to_thread(self.scores.read_some, tenant, board, changed.members)
        return RefreshedMembers(changed, scores)

    async def _rebuild(self, tenant: Tenant, board: str, view: View, lowest_version: int, token: str) -> BoardView:
        scores = version = None
        try:
            scores = await self._read_source(tenant, board, lowest_version)
        finally:
            version = await self._end_rebuild(tenant, board, token, scores)
        return BoardView(view_scores(scores, view), version or self._version_now(lowest_version))

    async def _end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> int | None:
        try:
            return await self.boards.end_rebuild(tenant, board, token, scores)
        except CacheUnavailableError as exc:
            logger.warning("a rebuilt leaderboard was not stored: %s", exc.message)
            return None

    async def _read_source(self, tenant: Tenant, board: str, lowest_version: int) -> dict[str, float]:
        try:
            return await asyncio.to_thread(self.scores.read_all, tenant, board)
        except ComputeFailedError as exc:
            exc.source_version = self._version_now(lowest_version)
            raise

    def _version_now(self, lowest_version: int) -> int:
        """Return the version of a state that was read from the source just now: later than that of any board.

        A board that was rebuilt for the lowest version may have exactly that one.
        """
        return max(lowest_version + 1, self.now_ms() + _CLOCKS_APART_MS)
