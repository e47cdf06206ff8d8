"""The time of a request, in the three formats that events use."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Moment(NamedTuple):
    """A time. `epoch_ms` is Unix time in milliseconds; `clf` is in the Common Log Format of web servers."""

    epoch_ms: int
    clf: str


class RequestClock:
    """Returns the current time. It keeps the formatted second, because thousands of requests share one."""

    __slots__ = ("_clf", "_now", "_second")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._second = -1
        self._clf = ""

    def moment(self) -> Moment:
        """Return the current time."""
        now = self._now()
        second = int(now)
        if second != self._second:
            self._second = second
            self._clf = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
        return Moment(int(now * 1000), self._clf)


def iso_8601(epoch_ms: int) -> str:
    """Return Unix milliseconds as `2026-01-31T12:00:00.123Z`."""
    second, millisecond = divmod(epoch_ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{millisecond:03d}Z"
