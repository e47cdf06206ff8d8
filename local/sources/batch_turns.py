"""How many batches of a queue are under way at once: few at first, more when those take long.

Lambda begins with five and adds more while messages wait ("Configuring scaling behavior for SQS event source
mappings", Lambda Developer Guide). One machine has few cores: what waits for a turn meanwhile becomes part of a fuller
batch, which costs less for each message than many small ones side by side.
"""

from __future__ import annotations

import asyncio
import os

from local.functions.idle_cores import IdleCores

FEWEST = max(2, os.cpu_count() or 1)

PATIENCE_SECONDS = 0.02
"""If no turn has become free for so long, and a core is idle, batches wait for something else than a core, and one more
is let in."""

STANDSTILL_SECONDS = 0.5
"""After so long one more is let in whatever the cores do."""


class BatchTurns:
    """The turns of one event source, up to `most` at once; belongs to one event loop and is taken by one poller."""

    def __init__(self, most: int, cores: IdleCores) -> None:
        self._most = most
        self._cores = cores
        self._allowed = min(FEWEST, most)
        self._taken = 0
        self._freed = asyncio.Event()

    async def take(self) -> None:
        """Wait for a turn."""
        waited_seconds = 0.0
        while self._taken >= self._allowed:
            self._freed.clear()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS if self._allowed < self._most else None):
                    await self._freed.wait()
            except TimeoutError:
                waited_seconds += PATIENCE_SECONDS
                self._cores.look()
                self._allowed += self._cores.are_there or waited_seconds >= STANDSTILL_SECONDS
        self._taken += 1

    def give_back(self) -> None:
        """End a turn."""
        self._taken -= 1
        self._freed.set()

    def rest(self) -> None:
        """Begin with few again: nothing is waiting. Batches that are under way have their turns."""
        self._allowed = max(self._taken, min(FEWEST, self._most))
