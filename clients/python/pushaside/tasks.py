"""The running tasks of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Tasks:
    """Keeps tasks until they end; `failed` receives the exception of a task that has a fault."""

    def __init__(self, loop: asyncio.AbstractEventLoop, failed: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._failed = failed
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task."""
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finish)
        return task

    async def wait(self) -> None:
        """Wait until all tasks have ended, also those that start meanwhile."""
        while self._running:
            await asyncio.wait(self._running)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._failed(exc)
