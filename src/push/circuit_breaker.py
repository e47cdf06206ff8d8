"""When to stop asking a server that does not answer, and when to ask again.

One breaker belongs to one execution environment: it learns of an outage from its own tries, and tells nobody else.
It bounds what an outage costs the environment; it does not tell how the server is for others.
"""

from __future__ import annotations

from collections.abc import Callable

FAILURES_TO_OPEN = 5
"""So many tries in a row came to nothing. One lost connection with its retry (two tries) must not open it."""

FIRST_PAUSE_MS = 50
"""Short, for most outages are, and who is parked in Redis can't be answered by an environment that does not ask it."""

LONGEST_PAUSE_MS = 1_000
"""Also how long, at most, an environment goes on without a server that has come back."""


class CircuitBreaker:
    """Closed, every try is let through; open, one try after each pause, until one succeeds.

    The pause doubles from one probe to the next. A probe whose outcome is never told (its caller was cancelled)
    leaves nothing behind: the next one goes after the next pause.

    Args:
        random: in [0, 1), takes up to half off a pause, so that environments do not probe together.

    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._pause_ms = FIRST_PAUSE_MS
        self._probe_at_ms: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server counts as away."""
        return self._probe_at_ms is not None

    def lets_through(self, now_ms: float) -> bool:
        """Say whether a try may be made now; open, whoever is let through is the probe.

        Args:
            now_ms: a clock that never goes back.

        """
        if self._probe_at_ms is None:
            return True
        if now_ms < self._probe_at_ms:
            return False
        self._pause_ms = min(LONGEST_PAUSE_MS, self._pause_ms * 2)
        self._pause(now_ms)
        return True

    def record_success(self) -> None:
        """Note that the server answered."""
        self._failures = 0
        self._pause_ms = FIRST_PAUSE_MS
        self._probe_at_ms = None

    def record_failure(self, now_ms: float) -> None:
        """Note that a try came to nothing: no connection, or no answer in time."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._pause(now_ms)

    def _pause(self, now_ms: float) -> None:
        self._probe_at_ms = now_ms + self._pause_ms * (1.0 - self._random() / 2)
