"""The progress of a request, and a bounded queue of it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

Stage = Literal["sent", "accepted", "receiving", "fetching"]
"""The request is sent; the service accepted it; its answer arrives in pieces; the client fetches its linked data."""

Unit = Literal["pieces", "bytes"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a request.

    `received` of `expected` pieces or bytes (`unit`) have arrived; `expected` is None while it is unknown. Only the
    stages "receiving" and "fetching" count them. `attempt` is how often the request was sent, from 1.

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
        """The part that has arrived, from 0 to 1; None if it is unknown."""
        return None if not self.expected else min(1.0, self.received / self.expected)


class ProgressQueue:
    """The progress of one request for one consumer; it keeps the newest of each stage and attempt."""

    def __init__(self) -> None:
        self._waiting: deque[Progress] = deque()
        self._changed = asyncio.Event()
        self._is_over = False

    def put(self, progress: Progress) -> None:
        """Add progress, in place of the last one if that has the same stage and attempt."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and (last.stage, last.attempt) == (progress.stage, progress.attempt):
            self._waiting.pop()
        self._waiting.append(progress)
        self._changed.set()

    def end(self) -> None:
        """Announce that no more progress follows."""
        self._is_over = True
        self._changed.set()

    async def take(self) -> Progress | None:
        """Wait for progress; None once no more follows."""
        while not self._waiting:
            if self._is_over:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
