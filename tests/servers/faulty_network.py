"""A network between a client and a server that delays, swallows, resets, refuses or dies, as a test bids."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.patience import PATIENCE_SECONDS
from tests.servers.valkey import ask, ports_of_cluster, valkey_cluster


class FaultyNetwork:
    """Forwards TCP connections, until told otherwise; what it is told applies to open connections, too.

    Runs on the test's event loop: a blocking client must be used in another thread. With `tls` it speaks TLS to
    clients, for a server that does not.
    """

    def __init__(self, target_port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target_port = target_port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._reservation: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_resetting = False
        self._is_swallowing = False
        self._is_dark = False
        self._has_ended = asyncio.Event()
        self._delay_seconds = 0.0
        self.port = 0
        self.connections = 0
        """Connections made to it so far."""
        self.connected_at: list[float] = []
        """When each of them was made, on the event loop's clock, in seconds."""
        self.requests = 0
        """Pieces of data sent by clients so far; small commands are one each."""

    async def __aenter__(self) -> FaultyNetwork:
        # Bound and never listened on: while connections are refused, nobody else can come by the port.
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self.port = self._reservation.getsockname()[1]
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        if self._reservation is not None:
            self._reservation.close()
        self._has_ended.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*self._tasks)

    async def heal(self) -> None:
        """Forward everything, but for what is of connections that have lost something already."""
        self._is_resetting = self._is_swallowing = self._is_dark = False
        self._delay_seconds = 0.0
        if self._server is None:
            await self._listen()

    def lead_to(self, target_port: int) -> None:
        """Have new connections lead to another server."""
        self._target_port = target_port

    def swallow(self) -> None:
        """Accept connections and commands, and never let an answer through."""
        self._is_swallowing = True

    def go_dark(self) -> None:
        """Lose all bytes, both ways, and tell nobody: all that is open stays open, and is never answered.

        A connection that has lost a byte can't go on, for what comes after it is of no use to TCP: nothing passes on
        it any more, not even its end, after healing neither. A new one is accepted, and is such a connection at once.
        """
        self._is_dark = True

    def delay(self, seconds: float) -> None:
        """Let every answer through later."""
        self._delay_seconds = seconds

    def reset(self) -> None:
        """Reset all connections, and new ones as soon as something is sent."""
        self._is_resetting = True
        for writer in list(self._open):
            _reset(writer)

    async def refuse(self) -> None:
        """End all connections and accept none."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            _reset(writer)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.connected_at.append(asyncio.get_running_loop().time())
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._forward(reader, writer)
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = _Passage(is_lost=self._is_dark)
        if passage.is_lost:
            await self._drain(reader)
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        answers = asyncio.create_task(self._forward_answers(passage, server_reader, writer))
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    self.requests += 1
                    if self._is_resetting:
                        _reset(writer)
                        return
                    if not self._loses(passage):
                        server_writer.write(data)
            if self._loses(passage):
                await self._has_ended.wait()
        finally:
            answers.cancel()
            server_writer.close()

    async def _forward_answers(
        self, passage: _Passage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if not self._is_swallowing and not self._loses(passage):
                    writer.write(data)
            if not self._loses(passage):
                writer.close()

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        await self._has_ended.wait()

    def _loses(self, passage: _Passage) -> bool:
        """Say whether what comes is lost, which is so for good once it has been so."""
        passage.is_lost = passage.is_lost or self._is_dark
        return passage.is_lost


@dataclass(slots=True)
class _Passage:
    """One connection through the network, both ways."""

    is_lost: bool


@contextlib.asynccontextmanager
async def clustered_networks(tls: ssl.SSLContext | None = None) -> AsyncIterator[list[FaultyNetwork]]:
    """Run a cluster whose every node is only to be found behind a network of its own."""
    async with contextlib.AsyncExitStack() as stack:
        ports = ports_of_cluster(urlsplit(stack.enter_context(valkey_cluster())).port or 0)
        networks = [await stack.enter_async_context(FaultyNetwork(port, tls)) for port in ports]
        for port, network in zip(ports, networks, strict=True):
            ask(port, f"CONFIG SET cluster-announce-port {network.port}".encode())
        async with asyncio.timeout(PATIENCE_SECONDS):  # until every node has heard of it
            for port in ports:
                while set(ports_of_cluster(port)) != {network.port for network in networks}:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        yield networks


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        # Linger for no time: the close is a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
