"""The schedule of attempts to connect, and when the client gives up."""

from __future__ import annotations

from collections.abc import Callable

from pushaside.backoff import full_jitter
from pushaside.errors import CannotConnectError, PushasideError
from pushaside.session.effects import Connect, Effect
from pushaside.settings import Settings


class Opening:
    """Plans one attempt to connect at a time, with longer waits after failures in a row."""

    def __init__(self, settings: Settings, random: Callable[[], float], effects: list[Effect]) -> None:
        self._settings = settings
        self._random = random
        self._effects = effects
        self.is_under_way = False
        self._has_succeeded = False
        self._failures = 0

    def begin(self, after_seconds: float = 0.0) -> None:
        """Connect after some seconds, unless an attempt is planned or running."""
        if not self.is_under_way:
            self.is_under_way = True
            self._effects.append(Connect(after_seconds))

    def begin_spread(self) -> None:
        """Connect after a jitter, because many clients may have lost their connections at once."""
        self.begin(self.backoff(0))

    def begin_within(self, seconds: float) -> None:
        """Connect at a random time in the first half of the seconds that are left."""
        if seconds:
            self.begin(self._random() * seconds / 2)
        else:
            self.begin_spread()

    def succeed(self) -> None:
        """Note that a connection opened. The waits stay long until a message arrives on it."""
        self.is_under_way = False
        self._has_succeeded = True

    def hear(self) -> None:
        """Note that a message arrived: the next failure counts as the first again."""
        self._failures = 0

    def fail(self, error: PushasideError) -> bool:
        """Plan another attempt after a failed one; return False if the client gives up."""
        self.is_under_way = False
        self._failures += 1
        if self._gives_up_after(error):
            return False
        self.begin(max(self.backoff(self._failures - 1), error.retry_after or 0.0))
        return True

    def backoff(self, attempt: int) -> float:
        """Return the seconds to wait before an attempt, counted from 0."""
        return full_jitter(
            attempt,
            self._random(),
            base_seconds=self._settings.backoff_base_seconds,
            cap_seconds=self._settings.backoff_cap_seconds,
        )

    def _gives_up_after(self, error: PushasideError) -> bool:
        if not error.retryable:
            return True
        if self._has_succeeded:
            limit = self._settings.reconnect_attempts
            return limit is not None and self._failures >= limit
        # If nothing listens at the first attempt, the address is probably wrong, so the caller learns of it at once.
        is_absent = isinstance(error, CannotConnectError) and not error.is_answered
        return is_absent or self._failures >= self._settings.connect_attempts
