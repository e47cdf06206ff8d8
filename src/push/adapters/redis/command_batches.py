"""Batching of Redis commands that are issued in the same turn of the event loop.

The jobs of a batch proceed side by side: all claim, all fill, all settle. Batching makes each of these steps one round
trip and one pass through the client, instead of one per job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

Command = tuple[str | bytes | int, ...]
Execute = Callable[[Sequence[Command]], Awaitable[list[Any]]]
"""Runs commands; returns the reply to each, or the exception that it raised."""

MOST_COMMANDS = 50
MOST_BYTES = 64 * 1024
"""Keeps small commands from waiting behind a large one."""

_Waiting = tuple[Command, "asyncio.Future[Any]"]


class CommandBatcher:
    """Batches the commands of one client; belongs to one event loop."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, command: Command) -> asyncio.Future[Any]:
        """Schedule a command for the end of this turn; return a future of its reply."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._send_waiting)
        self._waiting.append((command, reply))
        return reply

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for batch in _split(waiting):
            task = asyncio.get_running_loop().create_task(self._send(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, batch: Sequence[_Waiting]) -> None:
        replies: Sequence[Any]
        try:
            replies = await self._execute([command for command, _ in batch])
        except Exception as exc:  # noqa: BLE001 - each caller handles its own
            replies = [exc] * len(batch)
        for (_, future), reply in zip(batch, replies, strict=True):
            if future.done():
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)


def _split(waiting: Sequence[_Waiting]) -> Iterator[Sequence[_Waiting]]:
    batch: list[_Waiting] = []
    size = 0
    for each in waiting:
        size_of_this = sum(len(part) for part in each[0] if not isinstance(part, int))
        if batch and (len(batch) == MOST_COMMANDS or size + size_of_this > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += size_of_this
    if batch:
        yield batch
