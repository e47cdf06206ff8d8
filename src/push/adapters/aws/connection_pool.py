"""Connections to one host that stay open between calls."""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """Limits of one try, in seconds: to connect, and between two pieces of the answer."""

    connect: float
    read: float


class Connection(Protocol):
    """A connection that a pool can keep."""

    is_open: bool

    def close(self) -> None:
        """Close the connection; idempotent."""


C = TypeVar("C", bound=Connection)
A = TypeVar("A")


class ConnectionPool(Generic[C]):
    """A thread-safe pool of idle connections to one host.

    Args:
        connect: opens a connection; raises OSError.
        most: the number of idle connections to keep.

    """

    def __init__(self, connect: Callable[[], C], most: int) -> None:
        self._connect = connect
        self._most = most
        self._idle: deque[C] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, exchange: Callable[[C], A]) -> A:
        """Run an exchange on an idle connection, or on a new one if there is none or the idle one is dead.

        Raises OSError.
        """
        try:
            kept = self._idle.pop()
        except IndexError:
            return exchange(self._connect())
        try:
            return exchange(kept)
        except OSError as exc:
            # After a freeze of the environment, the other idle connections are probably dead too.
            _close_all(self._idle)
            if not isinstance(exc, ConnectionError):
                raise
        return exchange(self._connect())

    def keep(self, connection: C) -> None:
        """Return a connection to the pool after its exchange."""
        if connection.is_open and len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            connection.close()


def _close_all(connections: deque[C]) -> None:
    with contextlib.suppress(IndexError):  # another thread took the last one
        while True:
            connections.pop().close()
