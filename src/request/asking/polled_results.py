"""Results for callers that ask again until the result is there, as `GET /results/{compute}` does.

No waiter is parked, and no guardian is sent. If the worker dies, the next look after the end of its lease sends
another job.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from push.cache.jobs import JobKind
from push.callers import Caller
from push.errors import CacheUnavailableError
from push.keys import Key
from push.results import Result
from request.asking.engine import Answer, Engine, newer_than
from request.asking.parking import Demand, Subject

_FIRST_PAUSE_SECONDS = 0.05
_LAST_PAUSE_SECONDS = 1.0
_RETRY_AFTER_MS = 2000


class _Look(msgspec.Struct, frozen=True):
    """One look for a result; see `request.asking.engine.Question`."""

    subject: Subject
    key: Key
    asked_at_ms: int
    is_counted: bool

    @property
    def max_age_ms(self) -> None:
        return None

    @property
    def prefers_waiting(self) -> bool:
        return False

    def demand(self, seen: Result | None) -> Demand:
        return Demand(self.key, JobKind.REQUEST, self.subject, newer_than_ms=newer_than(seen))


class PolledResults(msgspec.Struct, frozen=True):
    """Finds results for one execution environment, and requests a compute of missing ones.

    Args:
        engine: answers each look.
        now_ms: the clock, in milliseconds since 1970.
        sleep: waits for so many seconds.

    """

    engine: Engine
    now_ms: Callable[[], int]
    sleep: Callable[[float], None]

    def find(self, caller: Caller, compute: str, params: bytes, wait_seconds: float = 0.0) -> Answer | None:
        """Return a result, value or failure, as soon as it is there; None if it is not there in time.

        Raises:
            RequestError: the compute is unknown, the params do not fit, or the caller may not ask.
            QueueUnavailableError: the result is missing, and the queue did not take its job.
            CacheUnavailableError: Redis did not answer in time.

        """
        key = self.engine.identify(caller, compute, params)
        subject = caller.tenant, compute, msgspec.Raw(params), caller.principal
        until_ms = self.now_ms() + int(wait_seconds * 1000)
        pause_seconds, is_first = _FIRST_PAUSE_SECONDS, True
        while True:
            answer, error = self._look(_Look(subject, key, self.now_ms(), is_first))
            left_seconds = (until_ms - self.now_ms()) / 1000
            if answer is not None:
                return answer
            if left_seconds <= 0:
                if error is not None:
                    raise error
                return None
            self.sleep(min(pause_seconds, left_seconds))
            pause_seconds, is_first = min(pause_seconds * 1.5, _LAST_PAUSE_SECONDS), False

    def _look(self, look: _Look) -> tuple[Answer | None, CacheUnavailableError | None]:
        """Look once. Without Redis send the job all the same: Redis may be back when the compute is done."""
        try:
            answer = self.engine.answer(look)
        except CacheUnavailableError:
            self.engine.send_unparked(look)
            return None, CacheUnavailableError("The cache does not answer.", retry_after_ms=_RETRY_AFTER_MS)
        return (answer if isinstance(answer, Answer) else None), None
