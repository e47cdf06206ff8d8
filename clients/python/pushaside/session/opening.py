"""When connections are opened, and when that is given up."""

from __future__ import annotations

from collections.abc import Callable

from pushaside.backoff import full_jitter
from pushaside.errors import CannotConnectError, PushasideError
from pushaside.session.effects import Connect, Effect
from pushaside.settings import Settings


class Opening:
    """At most one attempt to connect is planned or under way; failures in a row make for longer waits."""

    def __init__(self, settings: Settings, random: Callable[[], float], effects: list[Effect]) -> None:
        self._settings = settings
        self._random = random
        self._effects = effects
        self.is_under_way = False
        self._has_succeeded = False
        self._failures = 0

    def begin(self, after_seconds: float = 0.0) -> None:
        """Connect after so many seconds, unless that is being done already."""
        if not self.is_under_way:
            self.is_under_way = True
            self._effects.append(Connect(after_seconds))

    def begin_spread(self) -> None:
        """Connect after a jitter, since many others may have lost their connection as well."""
        self.begin(self.backoff(0))

    def begin_within(self, seconds: float) -> None:
        """Connect at any time within the first half of the seconds that are left, so as to be there before the end."""
        if seconds:
            self.begin(self._random() * seconds / 2)
        else:
            self.begin_spread()

    def succeed(self) -> None:
        """Note that a connection came about. The waits stay long until something is heard on it."""
        self.is_under_way = False
        self._has_succeeded = True

    def hear(self) -> None:
        """Note that a connection is of use: the next failure is a first one again."""
        self._failures = 0

    def fail(self, error: PushasideError) -> bool:
        """Plan another attempt after one that failed; False if there is to be none."""
        self.is_under_way = False
        self._failures += 1
        if self._gives_up_after(error):
            return False
        self.begin(max(self.backoff(self._failures - 1), error.retry_after or 0.0))
        return True

    def backoff(self, attempt: int) -> float:
        """Compute the seconds to wait before a try, counted from 0."""
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
        # With nothing there at all the address is the first suspect, so the caller learns of it at once.
        is_absent = isinstance(error, CannotConnectError) and not error.is_answered
        return is_absent or self._failures >= self._settings.connect_attempts
