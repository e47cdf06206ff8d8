"""Invocations of functions that stop wherever something outside is called, and go on or die when a test says so."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Self

FAR = 10_000
"""More stops than an invocation makes that ends."""


class DiedError(BaseException):
    """Ends everything that a dead invocation still does; no code may catch it."""


_current: contextvars.ContextVar[Invocation | None] = contextvars.ContextVar("invocation", default=None)


class Invocation:
    """One invocation of a function. It begins stopped.

    Args:
        work: what it does.
        is_frozen: it renews no lease, as if its environment stood still.

    """

    def __init__(self, work: Callable[[], Awaitable[None]], *, is_frozen: bool = False) -> None:
        self.is_frozen = is_frozen
        self._is_dead = False
        self._steps = 0
        self._is_stopped = asyncio.Event()
        self._may_go = asyncio.Event()
        self._task = asyncio.ensure_future(self._run(work))

    @classmethod
    def current(cls) -> Self | None:
        """Return the invocation that runs this code; None if a test does."""
        return _current.get()  # type: ignore[return-value]

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        _current.set(self)
        await self.stop()
        await work()

    async def stop(self) -> None:
        """Stop here, unless the invocation may go further."""
        if self._is_dead:
            raise DiedError
        while self._steps == 0:
            self._is_stopped.set()
            await self._may_go.wait()
            self._may_go.clear()
            if self._is_dead:
                raise DiedError
        self._steps -= 1

    async def step(self, steps: int) -> None:
        """Let it pass so many stops; what goes wrong in it is raised here."""
        self._steps = steps
        await self._go()

    async def kill(self) -> None:
        """Have it die where it stands."""
        self._is_dead = True
        try:
            await self._go()
        except DiedError:
            return

    async def _go(self) -> None:
        self._is_stopped.clear()
        self._may_go.set()
        stopped = asyncio.ensure_future(self._is_stopped.wait())
        await asyncio.wait((stopped, self._task), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._task.done():
            self._task.result()


async def stop_here() -> None:
    """Stop the invocation that runs this code, if one does."""
    if (invocation := Invocation.current()) is not None:
        await invocation.stop()
