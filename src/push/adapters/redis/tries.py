"""How often a command is tried, and what each error of Redis means.

An error means one of three things:

- *lost*: no answer came in time, or what answered can not serve at all (LOADING, CLUSTERDOWN, MASTERDOWN), or it is
  the wrong server since a failover (READONLY). The try is made once more, on a new connection, for that may lead to
  the new primary.
- *away*: no node of the cluster answers, or none lets us in. Another try would find out the same.
- *refused*: Redis answered this command with an error (OOM, NOPERM, MOVED without cluster mode, ...). Asking again at
  once would be refused again, while other commands may well be served.

All but the refused count for the circuit breaker.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own, which is not an OSError
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TimeoutError,  # noqa: A004
)

from push.circuit_breaker import CircuitBreaker
from push.errors import CacheUnavailableError

MAX_TRIES = 2

LONGEST_PAUSE_SECONDS = 0.02
"""Before the second try, with full jitter."""

ERRORS = (RedisError, RedisClusterException, OSError)
"""All that redis-py raises for what goes wrong outside; its cluster exceptions are no `RedisError`s."""

logger = logging.getLogger(__name__)


class Fault(enum.Enum):
    """What an error means."""

    LOST = "lost"
    AWAY = "away"
    REFUSED = "refused"


def classify(error: BaseException) -> Fault:
    """Say what an error means."""
    match error:
        case AuthenticationError() | AuthorizationError() | RedisClusterException():
            return Fault.AWAY
        # LOADING is a ConnectionError to redis-py, and MASTERDOWN a ClusterDownError.
        case ConnectionError() | TimeoutError() | ReadOnlyError() | ClusterDownError() | OSError():
            return Fault.LOST
        case _:
            return Fault.REFUSED


def means_failover(error: BaseException) -> bool:
    """Say whether an error came over a connection that works, but leads to what is no longer the primary."""
    return isinstance(error, ReadOnlyError | ClusterDownError)


class Tries:
    """Decides about each try of a client's commands, on a circuit breaker of its own.

    Args:
        now_ms: a clock that never goes back.
        random: in [0, 1), spreads pauses.

    """

    def __init__(self, now_ms: Callable[[], float], random: Callable[[], float]) -> None:
        self._breaker = CircuitBreaker(random)
        self._now_ms = now_ms
        self._random = random

    def begin(self) -> None:
        """Ask leave for a try.

        Raises:
            CacheUnavailableError: Redis is away, as others have found out; nothing is to be sent.

        """
        if not self._breaker.lets_through(self._now_ms()):
            raise CacheUnavailableError("Redis is away, and not asked until it may be back.")

    def succeed(self) -> None:
        """Note that a try was answered."""
        if self._breaker.is_open:
            logger.warning("Redis answers again")
        self._breaker.record_success()

    def fail(self, command: object, error: BaseException, tries: int) -> float:
        """Note that the latest of so many tries failed; return the seconds to wait before the next.

        Raises:
            CacheUnavailableError: there is to be no other.
            NoScriptError: as it came; Redis is to be sent the whole script.

        """
        if isinstance(error, NoScriptError):
            self.succeed()
            raise error
        fault = classify(error)
        if fault is Fault.REFUSED:
            self.succeed()
        else:
            self._record_failure(error)
        if fault is not Fault.LOST or tries >= MAX_TRIES:
            raise CacheUnavailableError(f"Redis did not serve {command!r}: {error}") from error
        return LONGEST_PAUSE_SECONDS * self._random()

    def _record_failure(self, error: BaseException) -> None:
        was_open = self._breaker.is_open
        self._breaker.record_failure(self._now_ms())
        if self._breaker.is_open and not was_open:
            logger.warning("Redis is away; going on without it: %s", error)
