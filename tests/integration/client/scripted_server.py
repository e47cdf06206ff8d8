"""A service whose every word the test says: it refuses, answers, hangs up and falls silent as told."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.patience import PATIENCE_SECONDS

WELCOME = {"type": "welcome", "session": "s1", "reconnect_after_seconds": 6600}


@dataclass
class Peer:
    """One client's connection, as the service sees it."""

    connection: ServerConnection
    messages: asyncio.Queue[dict | None] = field(default_factory=asyncio.Queue)
    hello: asyncio.Future[dict] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    frame_sizes: list[int] = field(default_factory=list)

    async def receive(self) -> dict | None:
        """Take the next message that is no hello; None when the client has hung up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.messages.get()

    async def say(self, **fields: object) -> None:
        await self.connection.send(json.dumps(fields))

    async def say_text(self, text: str | bytes) -> None:
        await self.connection.send(text)

    async def result(self, request: dict, data: object = None, **fields: object) -> None:
        answer = {"type": "result", "id": request["id"], "key": "documents@1:ab12cd34ef", "etag": "5f2a"}
        await self.say(**{**answer, "cache": "miss", "age_ms": 0, "data": data, **fields})

    async def error(self, request: dict, code: str, **fields: object) -> None:
        error = {"code": code, "message": f"It is {code}.", "retryable": False, **fields}
        await self.say(type="error", id=request["id"], error=error)

    async def fault(self, message: str) -> None:
        """Send what API Gateway sends, with its spacing."""
        await self.say_text(f'{{"message": "{message}", "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"Y"}}')

    async def hang_up(self, code: int = 1001) -> None:
        await self.connection.close(code)

    def cut(self) -> None:
        """Lose the connection without a word."""
        self.connection.transport.abort()

    async def listen(self) -> None:
        try:
            while True:
                fragments = [fragment async for fragment in self.connection.recv_streaming(decode=False)]
                self.frame_sizes.extend(map(len, fragments))
                await self._take(json.loads(b"".join(fragments)))
        except ConnectionClosed:
            self.messages.put_nowait(None)

    async def _take(self, message: dict) -> None:
        if message["action"] != "hello":
            self.messages.put_nowait(message)
            return
        if not self.hello.done():
            self.hello.set_result(message)
        await self.say(**WELCOME, id=message["id"])


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Listens on a free port of this machine.

    Tests accept connections one by one and speak for the service; or they give a script, which is run for each
    connection.
    """

    def __init__(self, script: Script | None = None, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.refusals: list[tuple[HTTPStatus, dict[str, str]]] = []
        self.handshakes: list[Request] = []
        self._script = script
        self._tls = tls
        self._port = port
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._server: Server

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            self._port,
            process_request=self._refuse,
            compression=None,
            ping_interval=None,
            max_size=None,
            ssl=self._tls,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'ws' if self._tls is None else 'wss'}://127.0.0.1:{self.port}/v1"

    def refuse(self, status: int, **headers: str) -> None:
        """Answer the next handshake that is not yet spoken for with this status."""
        self.refusals.append((HTTPStatus(status), headers))

    async def accept(self) -> Peer:
        """Wait for the next connection, and for its hello."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            peer = await self._peers.get()
            await asyncio.shield(peer.hello)
            return peer

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes.append(request)
        if not self.refusals:
            return None
        status, headers = self.refusals.pop(0)
        response = connection.respond(status, status.phrase)
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    async def _handle(self, connection: ServerConnection) -> None:
        peer = Peer(connection)
        self._peers.put_nowait(peer)
        if self._script is None:
            await peer.listen()
            return
        script = asyncio.create_task(self._script(peer))
        await peer.listen()
        await script


async def answering(peer: Peer) -> None:
    """Answer pings, and requests with their own params: the script of a service that just works."""
    while (message := await peer.messages.get()) is not None:
        if message["action"] == "ping":
            await peer.say(type="pong")
        else:
            await peer.result(message, data=message["params"])
