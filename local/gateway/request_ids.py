"""Ids in API Gateway's form: 11 random bytes in URL-safe base64, so 16 characters that end in `=`."""

from __future__ import annotations

import os
import re
from binascii import b2a_base64

_ID_BYTES = 11
_DRAWN_BYTES = 12
"""An id's bytes and a zero byte: base64 makes sixteen characters of them, and `=` replaces the last one."""
_IDS_PER_DRAW = 256
_ID_LENGTH = 16
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{15}=").fullmatch


class RequestIds:
    """A source of ids. It draws many at a time, because each call for randomness is a system call."""

    __slots__ = ("_drawn", "_next")

    def __init__(self) -> None:
        self._drawn = ""
        self._next = 0

    def draw(self) -> str:
        """Return a new id."""
        start = self._next
        if start == len(self._drawn):
            self._drawn, start = _draw_many(), 0
        self._next = start + _ID_LENGTH
        return self._drawn[start : start + _ID_LENGTH - 1] + "="


def _draw_many() -> str:
    randomness = bytearray(os.urandom(_DRAWN_BYTES * _IDS_PER_DRAW))
    randomness[_ID_BYTES::_DRAWN_BYTES] = bytes(_IDS_PER_DRAW)
    return b2a_base64(randomness, newline=False).translate(_TO_URL_SAFE).decode()


def is_well_formed(connection_id: str) -> bool:
    """Return whether an id has API Gateway's form. `@connections` answers 400 to malformed ids, 410 to unknown ones."""
    return _WELL_FORMED(connection_id) is not None
