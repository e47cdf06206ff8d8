"""Runs of computes: async functions on the event loop, plain ones on a thread of their own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from push.computes import AnyCompute
from push.sources.blocking import BlockingContext
from push.sources.contexts import Context

_THREADS = 32
"""The number of plain functions that one execution environment runs at once. Their reads use other threads."""


async def run_compute(compute: AnyCompute, params: Any, context: Context) -> object:  # noqa: ANN401 - its own Struct
    """Run a compute's function once. Raises what the function raises."""
    if not compute.is_blocking:
        value: object = await compute.invoke(params, context)
        return value
    loop = asyncio.get_running_loop()
    reads = _Reads(loop)
    run = contextvars.copy_context().run
    try:
        return await loop.run_in_executor(_threads(), run, compute.invoke, params, BlockingContext(context, reads.wait))
    finally:
        reads.end()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="compute")


class _Reads:
    """The reads of one run. A run that is cancelled can't be stopped between them, so they fail from then on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: set[Future[Any]] = set()
        self._is_over = False

    def wait(self, read: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - as the read
        """Return the result of a read that runs on the event loop."""
        if self._is_over:
            read.close()
            raise TimeoutError("The run of this compute is over.")
        future = asyncio.run_coroutine_threadsafe(read, self._loop)
        self._pending.add(future)
        try:
            return future.result()
        finally:
            self._pending.discard(future)

    def end(self) -> None:
        """Cancel the reads that run, and refuse others."""
        self._is_over = True
        for future in tuple(self._pending):
            future.cancel()
