"""Retries of Redis commands, and the meaning of each error.

An error is one of three faults:

- *lost*: no reply came in time, the server can not serve at all (LOADING, CLUSTERDOWN, MASTERDOWN), or it is no longer
  the primary (READONLY). The command is retried once on a new connection, which may lead to the new primary.
- *away*: no node of the cluster answers, or the nodes refuse our credentials. A retry would fail in the same way.
- *refused*: Redis answered this command with an error (OOM, NOPERM, MOVED without cluster mode, ...). A retry would be
  refused too, while other commands may succeed.

The circuit breaker counts lost and away, not refused.
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
"""The longest pause before the second try; full jitter."""

ERRORS = (RedisError, RedisClusterException, OSError)
"""Everything that redis-py raises for failures outside this process; its cluster exceptions are not `RedisError`s."""

logger = logging.getLogger(__name__)


class Fault(enum.Enum):
    """The meaning of an error of Redis."""

    LOST = "lost"
    AWAY = "away"
    REFUSED = "refused"


def classify(error: BaseException) -> Fault:
    """Return the fault that an error means."""
    match error:
        case AuthenticationError() | AuthorizationError() | RedisClusterException():
            return Fault.AWAY
        # LOADING is a ConnectionError to redis-py, and MASTERDOWN a ClusterDownError.
        case ConnectionError() | TimeoutError() | ReadOnlyError() | ClusterDownError() | OSError():
            return Fault.LOST
        case _:
            return Fault.REFUSED


def means_failover(error: BaseException) -> bool:
    """Return whether the error came over a working connection to a server that is no longer the primary."""
    return isinstance(error, ReadOnlyError | ClusterDownError)


class Tries:
    """The retry policy of one client, with a circuit breaker of its own.

    Args:
        now_ms: a clock that never goes back.
        random: returns a number in [0, 1) that spreads the pauses.

    """

    def __init__(self, now_ms: Callable[[], float], random: Callable[[], float]) -> None:
        self._breaker = CircuitBreaker(random)
        self._now_ms = now_ms
        self._random = random

    def begin(self) -> None:
        """Check that a try may begin.

        Raises:
            CacheUnavailableError: the circuit breaker is open; the caller must send nothing.

        """
        if not self._breaker.lets_through(self._now_ms()):
            raise CacheUnavailableError("Redis is unavailable; commands fail at once until it may be back.")

    def succeed(self) -> None:
        """Record that a try was answered."""
        if self._breaker.is_open:
            logger.warning("Redis answers again")
        self._breaker.record_success()

    def fail(self, command: object, error: BaseException, tries: int) -> float:
        """Record that a try failed, and return the pause before the next one, in seconds.

        Args:
            command: its name, for the error.
            error: raised by redis-py.
            tries: how many tries were made, this one included.

        Raises:
            CacheUnavailableError: the command must not be retried.
            NoScriptError: passed on; the caller sends the script's source.

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
            logger.warning("Redis is unavailable; continuing without it: %s", error)
