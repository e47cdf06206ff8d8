"""The output of functions: metrics lines are counted, other lines go to the runtime's log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable

from local.functions.stale_lines import show_stale
from local.metrics import Metrics

_MAXIMUM_LINE_BYTES = 1024 * 1024  # "CloudWatch Logs quotas": the largest log event
_MAXIMUM_WAITING_LINES = 10_000


class LogWriter:
    """Writes lines to standard error from a thread, so that a blocked terminal or pipe stops no function.

    While ten thousand lines wait, it drops and counts further ones.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.rewrites: list[Callable[[bytes], bytes]] = [show_stale]
        """Each returns the text to write for a line; nothing is written for an empty text."""
        self._quiet = quiet
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MAXIMUM_WAITING_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, source: str, line: bytes) -> None:
        """Write one line of `source`, unless the runtime is quiet."""
        if self._quiet:
            return
        for rewrite in self.rewrites:
            line = rewrite(line)
        if not line:
            return
        try:
            self._lines.put_nowait(source.encode() + b": " + line + b"\n")
        except queue.Full:
            self._dropped += 1

    async def close(self) -> None:
        """Write the waiting lines, for at most a second."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            await asyncio.to_thread(self._thread.join, timeout=1)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._dropped:
                line = f"runtime: {self._dropped} lines were dropped\n".encode() + line
                self._dropped = 0
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()


class FunctionOutput(asyncio.Protocol):
    """The read end of one environment's output."""

    def __init__(self, function: str, metrics: Metrics, log: LogWriter) -> None:
        self._function = function
        self._metrics = metrics
        self._log = log
        self._rest = b""

    async def open(self) -> int:
        """Return the descriptor to write to; the caller closes it."""
        reading, writing = os.pipe()
        await asyncio.get_running_loop().connect_read_pipe(lambda: self, os.fdopen(reading, "rb", 0))
        return writing

    def data_received(self, data: bytes) -> None:
        """Process whole lines; cut a line that exceeds the limit."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAXIMUM_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the process has ended
        """Process a last line that has no line end."""
        self._take(self._rest)

    def _take(self, line: bytes) -> None:
        if line.strip() and not self._metrics.take_line(line):
            self._log.write(self._function, line)
