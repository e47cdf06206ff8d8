"""Positions in a topic's history."""

from __future__ import annotations

import re

import msgspec

from push.errors import RequestError

MAX_OFFSET = 2**53 - 1
"""The largest integer that is exact in every client and in Lua."""

_POSITION = re.compile(r"(?P<epoch>[A-Za-z0-9_-]{1,32}):(?P<offset>0|[1-9][0-9]{0,15})", re.ASCII)


class Position(msgspec.Struct, frozen=True):
    """The place after the message of an offset; offset 0 is before the first message.

    Offsets count without gaps within an epoch, and have no meaning in another. A new epoch begins after Redis lost the
    topic, or after the topic was unused for long.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse_position(text: str) -> Position:
    """Parse a position in the form of the wire, `<epoch>:<offset>`.

    Raises:
        RequestError: the text is not a position (`invalid_message`).

    """
    found = _POSITION.fullmatch(text)
    if found is None or int(found["offset"]) > MAX_OFFSET:
        raise RequestError("A position must have the form <epoch>:<offset>. Send one that the server gave.")
    return Position(found["epoch"], int(found["offset"]))
