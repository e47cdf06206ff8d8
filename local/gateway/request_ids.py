"""Ids as API Gateway draws them: 11 random bytes in URL-safe base64, so 16 characters that end in `=`."""

from __future__ import annotations

import os
import re
from binascii import b2a_base64

_ID_BYTES = 11
_IDS_PER_DRAW = 256
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{15}=").fullmatch


class RequestIds:
    """A source of ids, drawn many at a time because each call for randomness is a system call."""

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def draw(self) -> str:
        """Return an id that was never returned before."""
        if not self._drawn:
            randomness = os.urandom(_ID_BYTES * _IDS_PER_DRAW)
            self._drawn = [
                b2a_base64(randomness[start : start + _ID_BYTES], newline=False).translate(_TO_URL_SAFE).decode()
                for start in range(0, len(randomness), _ID_BYTES)
            ]
        return self._drawn.pop()


def is_well_formed(connection_id: str) -> bool:
    """Tell whether API Gateway could have drawn this id; `@connections` answers 400 to others and 410 to these."""
    return _WELL_FORMED(connection_id) is not None
