"""The compute `leaderboard`: ranks from a sorted set in Redis, which is rebuilt from DynamoDB when it is missing.

Functions that only check params import this module too, so clients of AWS and Redis are imported at their first use.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import msgspec

from push.computes import Tenant, compute
from push.errors import CacheUnavailableError, ComputeFailedError, ErrorCode
from push.names import Name
from push.settings import ComputeSettings
from push.sources.boards import Around, Entry, Top, View, board_tag, require_member, view_scores
from push.sources.contexts import Context
from push.sources.ports import BoardCache, Scores

logger = logging.getLogger(__name__)

DEFAULT_TOP = 10
NEIGHBOURS = 5

_POLL_SECONDS = 0.05
_WAIT_SECONDS = 5.0
"""The time to wait for another worker's rebuild before reading the source."""

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
    reader = build(context.settings)
    if params.rank is not None:
        view = Around(params.rank, neighbours=0)
        (entry,) = require_member(await reader.read(context.tenant, params.board, view), view, params.board)
        return entry.as_json()
    if params.around is not None:
        view = Around(params.around, NEIGHBOURS)
        entries = require_member(await reader.read(context.tenant, params.board, view), view, params.board)
    else:
        entries = await reader.read(context.tenant, params.board, Top(params.top or DEFAULT_TOP))
    return [entry.as_json() for entry in entries]


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


@dataclass(frozen=True, slots=True)
class BoardReader:
    """Reads boards for one execution environment. Without Redis it reads the source, which is slower."""

    scores: Scores
    boards: BoardCache

    async def read(self, tenant: Tenant, board: str, view: View) -> list[Entry]:
        """Return a view of a board; an empty list if the board or the member does not exist.

        Raises:
            ComputeFailedError: the board is too large.
            TransientError: DynamoDB did not answer.

        """
        try:
            entries = await self._read_kept(tenant, board, view)
        except CacheUnavailableError as exc:
            logger.warning("reading a leaderboard from its source: %s", exc.message)
            entries = None
        if entries is None:
            return view_scores(await self._read_source(tenant, board), view)
        return entries

    async def _read_kept(self, tenant: Tenant, board: str, view: View) -> list[Entry] | None:
        """Read a board in Redis, or rebuild it, or wait for another worker's rebuild; None if that takes too long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _WAIT_SECONDS
        while loop.time() < until:
            entries = await self.boards.read(tenant, board, view)
            if entries is not None:
                return entries
            token = await self.boards.begin_rebuild(tenant, board)
            if token is not None:
                return view_scores(await self._rebuild(tenant, board, token), view)
            await asyncio.sleep(_POLL_SECONDS)
        return None

    async def _rebuild(self, tenant: Tenant, board: str, token: str) -> dict[str, float]:
        scores = None
        try:
            scores = await self._read_source(tenant, board)
        finally:
            await self._end_rebuild(tenant, board, token, scores)
        return scores

    async def _end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> None:
        try:
            await self.boards.end_rebuild(tenant, board, token, scores)
        except CacheUnavailableError as exc:
            logger.warning("a rebuilt leaderboard was not stored: %s", exc.message)

    async def _read_source(self, tenant: Tenant, board: str) -> dict[str, float]:
        return await asyncio.to_thread(self.scores.read_all, tenant, board)
