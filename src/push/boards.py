"""Leaderboards: members by score, the highest first; of equal scores the lower member in order of its UTF-8 first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode

MAX_MEMBERS = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One place on a board; `rank` counts from 1, and no two members share one."""

    rank: int
    member: str
    score: float

    def as_json(self) -> dict[str, object]:
        """Return what callers see; whole scores are written as integers."""
        score = int(self.score) if self.score.is_integer() else self.score
        return {"rank": self.rank, "member": self.member, "score": score}


@dataclass(frozen=True, slots=True)
class Top:
    """The first so many."""

    count: int


@dataclass(frozen=True, slots=True)
class Around:
    """A member and so many on either side."""

    member: str
    neighbours: int


View = Top | Around


def board_tag(board: str) -> str:
    """Name a board as what a result is made from."""
    return f"leaderboard:{board}"


class Scores(Protocol):
    """The durable source of all boards. Methods block."""

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        """Return the score of every member.

        Raises ComputeFailedError if there are over `MAX_MEMBERS`, SourceThrottledError or TransientError.
        """


class BoardCache(Protocol):
    """Boards kept ready to be read. Methods raise CacheUnavailableError."""

    async def read(self, tenant: Tenant, board: str, view: View) -> list[Entry] | None:
        """Return part of a board: None if the board is absent, an empty list if the member is."""

    async def begin_rebuild(self, tenant: Tenant, board: str) -> str | None:
        """Take the right to rebuild an absent board; None if it is there by now or somebody else has the right."""

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> None:
        """Give the right back, having installed the board in one step if the right was still held.

        Without scores nothing is installed. What `update` was told since the rebuild began is put on top.
        """

    async def update(self, tenant: Tenant, board: str, scores: Mapping[str, float | None]) -> None:
        """Set the scores of members, or with None take them off, if the board is there or is being rebuilt.

        Repeating it is harmless. Changes of one member must come in order.
        """


def view_scores(scores: dict[str, float], view: View) -> list[Entry]:
    """Return part of a board from all of its scores; an empty list if the member is absent."""
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0].encode()))
    if isinstance(view, Top):
        return _entries(ranked[: view.count], first_rank=1)
    place = next((index for index, (member, _) in enumerate(ranked) if member == view.member), None)
    if place is None:
        return []
    start = max(0, place - view.neighbours)
    return _entries(ranked[start : place + view.neighbours + 1], first_rank=start + 1)


def _entries(items: Sequence[tuple[str, float]], first_rank: int) -> list[Entry]:
    return [Entry(first_rank + index, member, score) for index, (member, score) in enumerate(items)]


def require_member(entries: list[Entry], view: Around, board: str) -> list[Entry]:
    """Return the entries, of which one is the member's.

    Raises:
        ComputeFailedError: the member is not on the board (`not_found`).

    """
    if not entries:
        raise ComputeFailedError(
            f"There is no member {view.member!r} on the board {board!r}.", code=ErrorCode.NOT_FOUND
        )
    return entries
