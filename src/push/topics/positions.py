"""Positions: how far into a topic's history somebody is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from push.errors import RequestError

MAX_OFFSET = 2**53 - 1
"""The largest whole number that every client, and Lua, can count to."""

_POSITION = re.compile(r"(?P<epoch>[A-Za-z0-9_-]{1,32}):(?P<offset>0|[1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """The message of that offset, and all before it, have been seen; 0 is before the first.

    Offsets count without gaps within an epoch. They mean nothing in another: that one began because Redis had lost
    the topic, or nobody had used it for long.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse_position(text: str) -> Position:
    """Read a position as it is on the wire, `<epoch>:<offset>`.

    Raises:
        RequestError: it is none (`invalid_message`).

    """
    found = _POSITION.fullmatch(text)
    if found is None or int(found["offset"]) > MAX_OFFSET:
        raise RequestError("A position is a string of the form <epoch>:<offset>, as the server gave it.")
    return Position(found["epoch"], int(found["offset"]))
