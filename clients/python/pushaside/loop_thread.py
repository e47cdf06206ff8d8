"""An event loop in a thread of its own, in which other threads have work done and wait for it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pushaside.errors import ConnectionClosedError

T = TypeVar("T")


class LoopThread:
    """Runs from the beginning until `stop`. Its thread is a daemon, and so keeps nobody from leaving.

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
        """Have work done, and wait for what comes of it.

        If the waiting is cut short, by Ctrl-C for one, the work is cancelled, and this goes on once it has ended.

        Raises:
            ConnectionClosedError: the thread was stopped.
            RuntimeError: this is called in the loop's own thread, which can't wait for itself.

        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("Calls that wait cannot be made from the client's own thread.")
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
                # Callbacks of a loop come in order, so by then the work has been started.
                self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())
                concurrent.futures.wait([outcome])
            raise

    @property
    def has_stopped(self) -> bool:
        """Whether it takes no more work."""
        return self._has_stopped

    def stop(self) -> None:
        """Cancel what is still being done and end the thread. Stopping twice does no harm."""
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
