"""Writes deferred to the end of the event loop's turn, so that all frames of a turn need one system call."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Flushable(Protocol):
    """An object that collects data to write."""

    def flush(self) -> None:
        """Write the collected data. A call without any is harmless."""


class OutgoingWrites:
    """The writers to flush after the callbacks of this turn.

    The transports of asyncio and uvloop do not defer: each `write` makes a `send` at once.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Flushable] = []

    def add(self, writer: Flushable) -> None:
        """Schedule the writer's `flush` before the loop waits for I/O again."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush_all)
        self._waiting.append(writer)

    def _flush_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            writer.flush()
