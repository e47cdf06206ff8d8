"""The detection of idle cores. Without one, another process would only slow the running ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

WINDOW_SECONDS = 0.1
IDLE_SHARE = 0.1
"""The idle share of all cores' time that counts as an idle core; a busy machine has less left over."""

_STATISTICS = Path("/proc/stat")
Times = tuple[int, int]
"""Idle time and total time of all cores together, since the start of the system."""


def read_times() -> Times | None:
    """Return the system's counts, or None on systems other than Linux, which lack the file."""
    try:
        with _STATISTICS.open() as file:
            counts = [int(count) for count in file.readline().split()[1:9]]
    except OSError:
        return None
    return counts[3] + counts[4], sum(counts)


class IdleCores:
    """Samples the system's counts; `are_there` describes the last whole window."""

    def __init__(
        self, read: Callable[[], Times | None] = read_times, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.are_there = True
        """True if a core was idle, or if the system does not say."""
        self._read = read
        self._now = now
        self._looked_at = now()
        self._last = read()

    def look(self) -> None:
        """Sample again if the window is over."""
        now = self._now()
        if now - self._looked_at < WINDOW_SECONDS:
            return
        last, self._last = self._last, self._read()
        # A much longer window says little about the present.
        if last is not None and self._last is not None and now - self._looked_at < 10 * WINDOW_SECONDS:
            idle, altogether = self._last[0] - last[0], self._last[1] - last[1]
            self.are_there = altogether <= 0 or idle > IDLE_SHARE * altogether
        else:
            self.are_there = True
        self._looked_at = now
