"""An event loop in a thread of its own, which runs coroutines for other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pushaside.errors import ConnectionClosedError

T = TypeVar("T")


class LoopThread:
    """A running event loop in a daemon thread, which does not keep the process alive.

    >>> import asyncio
    >>> thread = LoopThread()
    >>> thread.run(lambda: asyncio.sleep(0, "done"))
    'done'
    >>> thread.stop()
    """

    def __init__(self) -> None:
        started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._stopping = asyncio.Event()
        self._has_stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="pushaside-loop", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the loop, and return its result.

        If an exception such as Ctrl-C interrupts the wait, the coroutine is cancelled, and the exception is raised
        once it has ended.

        Raises:
            ConnectionClosedError: the thread was stopped.
            RuntimeError: the caller is in the loop's own thread, which cannot wait for itself.

        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("The client's own thread cannot make calls that wait.")
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            tasks.append(asyncio.create_task(work()))
            tasks[0].add_done_callback(lambda task: _hand_over(task, outcome))

        self._call(start)
        try:
            return outcome.result()
        except BaseException:
            if not outcome.done():
                # A loop runs its callbacks in order, so the task exists by then.
                self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())
                concurrent.futures.wait([outcome])
            raise

    @property
    def has_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._has_stopped

    def stop(self) -> None:
        """Cancel the coroutines that still run, and end the thread. A second call does nothing."""
        with self._lock:
            if not self._has_stopped:
                self._has_stopped = True
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _call(self, function: Callable[[], None]) -> None:
        with self._lock:
            if self._has_stopped:
                raise ConnectionClosedError("The client was closed.")
            self._loop.call_soon_threadsafe(function)

    async def _serve(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        started.set_result(asyncio.get_running_loop())
        await self._stopping.wait()


def _hand_over(task: asyncio.Task[T], outcome: concurrent.futures.Future[T]) -> None:
    if task.cancelled():
        outcome.set_exception(ConnectionClosedError("The client was closed."))
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
