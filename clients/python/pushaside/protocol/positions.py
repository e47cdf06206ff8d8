"""Positions in the history of a topic."""

from __future__ import annotations

import re
from dataclasses import dataclass

_POSITION = re.compile(r"([A-Za-z0-9_-]{1,32}):(0|[1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a topic's history, after the message with this offset. Offsets of two epochs cannot be compared."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse_position(text: str) -> Position:
    """Parse a position as the service writes it.

    >>> parse_position("k3f9:17")
    Position(epoch='k3f9', offset=17)

    Raises:
        ValueError: the text is not a position.

    """
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a position of the form <epoch>:<offset>.")
    return Position(found[1], int(found[2]))
