"""Whether this machine has a core to spare: another process would only take from those that run if it has none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

WINDOW_SECONDS = 0.1
IDLE_SHARE = 0.1
"""Of all cores' time; less is left over even when more work waits than there are cores."""

_STATISTICS = Path("/proc/stat")
Times = tuple[int, int]
"""Of all cores together since the start: idle, and altogether."""


def read_times() -> Times | None:
    """Return the system's counts; None where there are none (only Linux has this file)."""
    try:
        with _STATISTICS.open() as file:
            counts = [int(count) for count in file.readline().split()[1:9]]
    except OSError:
        return None
    return counts[3] + counts[4], sum(counts)


class IdleCores:
    """Looks at the system's counts now and then; `are_there` is about the last whole window."""

    def __init__(
        self, read: Callable[[], Times | None] = read_times, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.are_there = True
        """True also where it is not known."""
        self._read = read
        self._now = now
        self._looked_at = now()
        self._last = read()

    def look(self) -> None:
        """Look again if the window is over."""
        now = self._now()
        if now - self._looked_at < WINDOW_SECONDS:
            return
        last, self._last = self._last, self._read()
        # A window that was much longer says little of the present.
        if last is not None and self._last is not None and now - self._looked_at < 10 * WINDOW_SECONDS:
            idle, altogether = self._last[0] - last[0], self._last[1] - last[1]
            self.are_there = altogether <= 0 or idle > IDLE_SHARE * altogether
        else:
            self.are_there = True
        self._looked_at = now
