"""How far a request has come, and a queue of such news that cannot grow without bound."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

Stage = Literal["sent", "accepted", "receiving", "fetching"]
"""Sent to the service; accepted by it; its answer comes in pieces; its answer is a link, which is being followed."""

Unit = Literal["pieces", "bytes"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request has come.

    `received` of `expected` pieces or bytes, as `unit` says, are there; `expected` is None while it is not known. Only
    "receiving" and "fetching" have something to count. `attempt` counts how often the request was sent, from 1.

    >>> Progress("receiving", attempt=1, received=2, expected=8).share
    0.25
    """

    stage: Stage
    attempt: int
    received: int = 0
    expected: int | None = None
    unit: Unit = "pieces"

    @property
    def share(self) -> float | None:
        """How much of what is expected is there, from 0 to 1; None if that is not known."""
        return None if not self.expected else min(1.0, self.received / self.expected)


class ProgressQueue:
    """News of one request for one task; whoever takes them slowly gets the newest of each stage and attempt."""

    def __init__(self) -> None:
        self._waiting: deque[Progress] = deque()
        self._changed = asyncio.Event()
        self._is_over = False

    def put(self, progress: Progress) -> None:
        """Add news, in place of what is there of the same stage and attempt."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and (last.stage, last.attempt) == (progress.stage, progress.attempt):
            self._waiting.pop()
        self._waiting.append(progress)
        self._changed.set()

    def end(self) -> None:
        """Say that there will be no more."""
        self._is_over = True
        self._changed.set()

    async def take(self) -> Progress | None:
        """Wait for news; None once there will be no more."""
        while not self._waiting:
            if self._is_over:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
