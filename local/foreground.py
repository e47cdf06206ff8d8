"""The runtime in the foreground of a terminal: it says when it is ready, and runs until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from local.errors import LocalRuntimeError
from local.options import Options
from local.ready_file import write_ready_file
from local.runtime import Runtime


async def run(options: Options) -> int:
    """Run until SIGINT or SIGTERM and return the exit code; print an error to standard error in one sentence."""
    runtime = Runtime(options)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        ready = await _unless_stopped(runtime.start(), stopped)
        if ready is not None:
            _announce(ready, options.ready_file)
            await _unless_stopped(runtime.lost(), stopped)
    except LocalRuntimeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    else:
        return 0
    finally:
        await runtime.stop()


async def _unless_stopped(work: Awaitable[Any], stopped: asyncio.Event) -> Any:  # noqa: ANN401  # the work's own type
    """Return the work's result, or None if the runtime is told to stop first."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stopped.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError, LocalRuntimeError):
        await working
    return None


def _announce(ready: dict[str, Any], ready_file: Path | None) -> None:
    """Print the line that begins with `ready`, after the complete ready file exists."""
    if ready_file is not None:
        write_ready_file(ready, ready_file)
    print(f"ready: {ready['websocket']} (WebSocket), {ready['http']} (HTTP and page)", flush=True)
