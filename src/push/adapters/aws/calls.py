"""What the lean clients of AWS services have in common: connections that are kept, and tries.

Source: "Retry behavior" (AWS SDKs and Tools Reference Guide).
"""

from __future__ import annotations

import contextlib
import random
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from botocore.exceptions import ClientError, HTTPClientError

TRIES = 3
LONGEST_PAUSE_SECONDS = 0.2
"""Before the second try, with full jitter; before the third it is twice as long."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a try may take to connect, and then to be silent, in seconds."""

    connect: float
    read: float


@dataclass(frozen=True, slots=True)
class Fault:
    """A service's answer that is an error: what botocore would make of it, and whether another try may help."""

    response: Any
    is_temporary: bool


class Connection(Protocol):
    """What can be kept."""

    is_open: bool

    def close(self) -> None:
        """Close it; twice is no harm."""


C = TypeVar("C", bound=Connection)
A = TypeVar("A")


class KeptConnections(Generic[C]):
    """Connections to one host, for several threads at once.

    Args:
        connect: makes one; raises OSError.
        most: how many are kept.

    """

    def __init__(self, connect: Callable[[], C], most: int) -> None:
        self._connect = connect
        self._most = most
        self._idle: deque[C] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, exchange: Callable[[C], A]) -> A:
        """Do an exchange on a kept connection, and on a new one if there is none or it was dead. Raises OSError."""
        try:
            kept = self._idle.pop()
        except IndexError:
            return exchange(self._connect())
        try:
            return exchange(kept)
        except OSError as exc:
            # After a freeze those kept beside it are likely to be as dead.
            _close_all(self._idle)
            if not isinstance(exc, ConnectionError):
                raise
        return exchange(self._connect())

    def keep(self, connection: C) -> None:
        """Take back a connection whose exchange is over."""
        if connection.is_open and len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            connection.close()


def call(operation: str, exchange: Callable[[], A], find_fault: Callable[[A], Fault | None]) -> A:
    """Make a call, up to three times, and return the answer in which there is no fault.

    Raises:
        ClientError: the service answered with an error, which `response` holds as botocore's does.
        HTTPClientError: it did not answer.

    """
    for further_tries in reversed(range(TRIES)):
        try:
            answer = exchange()
        except OSError as exc:
            if not further_tries:
                raise HTTPClientError(error=exc) from exc
        else:
            fault = find_fault(answer)
            if fault is None:
                return answer
            if not further_tries or not fault.is_temporary:
                raise ClientError(fault.response, operation)
        time.sleep(LONGEST_PAUSE_SECONDS * (TRIES - further_tries) * random.random())  # noqa: S311 - no secret
    raise AssertionError("the last try returns or raises")


def timestamp() -> str:
    """Return the time now as signatures have it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def _close_all(connections: deque[C]) -> None:
    with contextlib.suppress(IndexError):  # another thread took the last one
        while True:
            connections.pop().close()
