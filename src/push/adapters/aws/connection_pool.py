"""Connections to one host that stay open between calls."""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a try may take to connect, and then to be silent, in seconds."""

    connect: float
    read: float


class Connection(Protocol):
    """What can be kept."""

    is_open: bool

    def close(self) -> None:
        """Close it; twice is no harm."""


C = TypeVar("C", bound=Connection)
A = TypeVar("A")


class ConnectionPool(Generic[C]):
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


def _close_all(connections: deque[C]) -> None:
    with contextlib.suppress(IndexError):  # another thread took the last one
        while True:
            connections.pop().close()
