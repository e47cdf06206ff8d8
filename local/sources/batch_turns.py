"""Limits of the concurrent batches of a queue: few at first, more if those take long.

Lambda starts with five and adds more while messages wait ("Configuring scaling behavior for SQS event source mappings",
Lambda Developer Guide). One machine has few cores. Messages that wait for a turn join a fuller batch, which costs less
for each message than many small batches at once.
"""

from __future__ import annotations

import asyncio
import os

from local.functions.idle_cores import IdleCores

FEWEST = max(2, os.cpu_count() or 1)

PATIENCE_SECONDS = 0.02
"""The wait for a free turn after which one more batch may start, if a core is idle.

The running batches then wait for something other than a core.
"""

STANDSTILL_SECONDS = 0.5
"""The wait for a free turn after which one more batch may start even without an idle core."""


class BatchTurns:
    """The turns of one event source, up to `most` at once, for one poller on one event loop."""

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
        """Start with few turns again, because no message waits. Running batches keep their turns."""
        self._allowed = max(self._taken, min(FEWEST, self._most))
