"""The timer of a session, whose next time changes with almost every event."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

_SET_SECONDS = 0.005
"""Delay before the next time is looked up, once for everything that happens in between."""


class Alarm:
    """Calls `ring` at the time that `next_at` returns, or before; None means never.

    `is_idle` tells whether `set_soon` has something to do, so that most events cost no call.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, next_at: Callable[[], float | None], ring: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._next_at = next_at
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._setting: asyncio.TimerHandle | None = None
        self.is_idle = True

    def set_soon(self) -> None:
        """Look up the next time a little later; call this only while `is_idle`."""
        self.is_idle = False
        self._setting = self._loop.call_later(_SET_SECONDS, self._set)

    def stop(self) -> None:
        """Never ring again."""
        self.is_idle = False
        self._clear()
        if self._setting is not None:
            self._setting.cancel()

    def _set(self) -> None:
        self._setting, self.is_idle = None, True
        at = self._next_at()
        if at is None:
            self._clear()
        elif at < self._timer_at:
            # A timer that fires too early costs less than a new one for every answer.
            self._clear()
            self._timer, self._timer_at = self._loop.call_at(at, self._fire), at

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    def _fire(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._ring()
