"""An event loop whose time passes only when nobody has anything to do, and then at once.

Hours of timers, backoffs and deadlines run in milliseconds, and always in the same order. Work for other threads runs
where it is asked for: with threads, time would pass while they are under way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_RESOLUTION_SECONDS = 1e-6


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: the time it should have waited is added to the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("Everybody waits for somebody else: nothing can happen any more.")
        if timeout > 0:
            # Floats are coarse: what is due in a moment would otherwise never be due.
            self.now += max(timeout, _RESOLUTION_SECONDS)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module; `time()` starts at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def run_in_executor(self, _executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is the caller's, as from a thread
            future.set_exception(exc)
        return future


def run_virtually(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
