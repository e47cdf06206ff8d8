"""Leaderboards: members ordered by score, highest first; equal scores are ordered by the member's UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from push.errors import ComputeFailedError, ErrorCode

MAX_MEMBERS = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One place on a board; `rank` counts from 1, and no two members share one."""

    rank: int
    member: str
    score: float

    def as_json(self) -> dict[str, object]:
        """Return the JSON that callers see; whole scores become integers."""
        score = int(self.score) if self.score.is_integer() else self.score
        return {"rank": self.rank, "member": self.member, "score": score}


@dataclass(frozen=True, slots=True)
class Top:
    """The first `count` places."""

    count: int


@dataclass(frozen=True, slots=True)
class Around:
    """A member with its neighbours on either side."""

    member: str
    neighbours: int


View = Top | Around


@dataclass(frozen=True, slots=True)
class BoardView:
    """Part of a board, and the version of the state that it was read from: a time in milliseconds since 1970.

    A board in Redis has the time at which its rebuild began. A state that was read past Redis has a time after its end.
    So a board of at least the version of another state began to be read after that state: it is not older.
    """

    entries: list[Entry]
    version: int


@dataclass(frozen=True, slots=True)
class ChangedMembers:
    """The members of a stored board that changed since their scores were read, and when they were listed.

    `refresh` and `position` tell what happened to the board after the listing.
    """

    members: tuple[str, ...]
    refresh: str
    position: int


@dataclass(frozen=True, slots=True)
class RefreshedMembers:
    """The scores of changed members, read from the source after the listing; a member without a score is absent."""

    changed: ChangedMembers
    scores: dict[str, float]


def board_tag(board: str) -> str:
    """Return the tag of a board."""
    return f"leaderboard:{board}"


def view_scores(scores: dict[str, float], view: View) -> list[Entry]:
    """Return part of a board, given all scores; an empty list if the member is absent."""
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


def require_member(found: BoardView, member: str, board: str) -> BoardView:
    """Return the view around a member, or raise if the member is not on the board.

    Raises:
        ComputeFailedError: the member is not on the board (`not_found`).

    """
    if not found.entries:
        sentence = f"The board {board!r} has no member {member!r}."
        raise ComputeFailedError(sentence, code=ErrorCode.NOT_FOUND, source_version=found.version)
    return found
