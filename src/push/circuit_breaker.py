"""A circuit breaker: it stops calls to a server that does not answer, and probes until the server recovers.

One breaker belongs to one execution environment. It learns of an outage from its own calls only, and shares nothing
with other environments. So it bounds what an outage costs its environment, and says nothing about the server's state
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

FAILURES_TO_OPEN = 5
"""Consecutive failures that open the breaker. A lost connection and its retry (two failures) must not open it."""

FIRST_PAUSE_MS = 50
"""Short, because most outages are, and because an environment can't answer waiters in Redis while it does not call
it."""

LONGEST_PAUSE_MS = 1_000
"""Also the longest time that an environment goes on without a server that has recovered."""


class CircuitBreaker:
    """Lets every call through while closed; while open, lets one probe through after each pause until one succeeds.

    The pause doubles from one probe to the next. A probe whose outcome is never recorded (its caller was cancelled) has
    no effect: the next probe follows after the next pause.

    Args:
        random: returns a number in [0, 1); shortens a pause by up to half, so that environments do not probe together.

    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._pause_ms = FIRST_PAUSE_MS
        self._probe_at_ms: float | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the server counts as unavailable."""
        return self._probe_at_ms is not None

    def lets_through(self, now_ms: float) -> bool:
        """Return whether a call may be made now; while open, the call let through is the probe.

        Args:
            now_ms: a monotonic clock.

        """
        if self._probe_at_ms is None:
            return True
        if now_ms < self._probe_at_ms:
            return False
        self._pause_ms = min(LONGEST_PAUSE_MS, self._pause_ms * 2)
        self._pause(now_ms)
        return True

    def record_success(self) -> None:
        """Record that the server answered."""
        self._failures = 0
        self._pause_ms = FIRST_PAUSE_MS
        self._probe_at_ms = None

    def record_failure(self, now_ms: float) -> None:
        """Record that a call failed: no connection, or no answer in time."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._pause(now_ms)

    def _pause(self, now_ms: float) -> None:
        self._probe_at_ms = now_ms + self._pause_ms * (1.0 - self._random() / 2)
