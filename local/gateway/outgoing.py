"""Writes put off to the end of the loop's turn, so that all that a client is told in one turn is one system call."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Flushable(Protocol):
    """Something that has collected what it wants to write."""

    def flush(self) -> None:
        """Write it. Harmless when it has been written already."""


class OutgoingWrites:
    """Those who have something to write when the callbacks of this turn are through.

    Neither asyncio's nor uvloop's transports wait by themselves: each `write` of theirs is a `send` at once.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Flushable] = []

    def add(self, writer: Flushable) -> None:
        """Have `flush` called soon, before the loop waits for anything again."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush_all)
        self._waiting.append(writer)

    def _flush_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            writer.flush()
