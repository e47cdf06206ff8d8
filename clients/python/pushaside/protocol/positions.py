"""Positions: how far into a topic somebody is."""

from __future__ import annotations

import re
from dataclasses import dataclass

_POSITION = re.compile(r"([A-Za-z0-9_-]{1,32}):(0|[1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """All messages of a topic up to the offset have been seen. Offsets of two epochs can't be compared."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse_position(text: str) -> Position:
    """Read a position as the service writes it.

    >>> parse_position("k3f9:17")
    Position(epoch='k3f9', offset=17)

    Raises:
        ValueError: it is none.

    """
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no position such as the service gives, <epoch>:<offset>.")
    return Position(found[1], int(found[2]))
