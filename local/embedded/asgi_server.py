"""A lean HTTP/1.1 server of one ASGI application, for the embedded AWS.

Nearly every step of `pushaside local` calls the embedded AWS, and a general server took more than half of its time.
This one collects a whole request before it calls the application, and writes an answer by one system call.

Sources: "HTTP & WebSocket ASGI Message Format" and "Lifespan Protocol" (ASGI documentation). A request to upgrade the
connection is answered like any other, which RFC 9110 (section 7.8) permits.
"""

from __future__ import annotations

import asyncio
import http
import logging
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import unquote

import httptools

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in http.HTTPStatus}
_WITHOUT_BODY = frozenset((204, 304))
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"

logger = logging.getLogger(__name__)


async def serve(application: Application, listener: socket.socket) -> None:
    """Serve an application on a listening socket until SIGTERM or SIGINT."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with _started(application):
        server = await loop.create_server(lambda: HttpConnection(application), sock=listener)
        await stopped.wait()
        server.close()


@asynccontextmanager
async def _started(application: Application) -> AsyncIterator[None]:
    """Start the application, and shut it down after the block."""
    events, answers = asyncio.Queue[Message](), asyncio.Queue[Message]()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(application(scope, events.get, answers.put))

    async def tell(event: str) -> None:
        events.put_nowait({"type": event})
        answer = asyncio.ensure_future(answers.get())
        await asyncio.wait((running, answer), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            running.result()  # raises what ended the application
        if not answer.done() or answer.result()["type"] != f"{event}.complete":
            raise RuntimeError(f"The application did not complete {event}.")

    await tell("lifespan.startup")
    yield
    await tell("lifespan.shutdown")
    running.cancel()


class HttpConnection(asyncio.Protocol):
    """One connection, whose requests are answered in order, one at a time.

    Args:
        application: answers the requests.

    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[tuple[Message, bytes, _Answer]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport. asyncio and uvloop set TCP_NODELAY on it."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - named by asyncio
        """Let a running answer end."""
        self._requests.clear()
        self._lost.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Let answers in pieces wait for the client."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let them go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Parse the data, and answer the requests that are complete."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserError:
            self._transport.write(_BAD_REQUEST)
            self._transport.close()
            return
        if self._requests and self._running is None:
            self._running = asyncio.ensure_future(self._answer_all())

    # httptools' side

    def on_message_begin(self) -> None:
        """Start a request."""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """Add a piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Let a client send the body that it waits with."""
        if any(name == b"expect" for name, _ in self._headers):
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the complete request."""
        path, _, query = self._target.partition(b"?")
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": self._parser.get_http_version(),
            "method": self._parser.get_method().decode(),
            "scheme": "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "headers": self._headers,
            "client": self._transport.get_extra_info("peername"),
            "server": self._transport.get_extra_info("sockname"),
        }
        answer = _Answer(self, keep_alive=self._parser.should_keep_alive(), has_body=scope["method"] != "HEAD")
        self._requests.append((scope, b"".join(self._body), answer))

    # The application's side

    async def _answer_all(self) -> None:
        while self._requests:
            scope, body, answer = self._requests.popleft()
            try:
                await self._application(scope, self._receiver(body), answer.send)
            except Exception:
                logger.exception("the application failed at %s", scope["path"])
            if not answer.has_begun:
                await self.write(_FAILED)
            if not answer.keeps_alive:
                self._transport.close()
                return
        self._running = None

    def _receiver(self, body: bytes) -> Receive:
        events = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            if (event := next(events, None)) is not None:
                return event
            await self._lost.wait()
            return {"type": "http.disconnect"}

        return receive

    async def write(self, data: bytes) -> None:
        """Write data unless the client has gone, and wait until most of it has left."""
        if not self._transport.is_closing():
            self._transport.write(data)
        await self._writable.wait()


class _Answer:
    """The answer to one request."""

    def __init__(self, connection: HttpConnection, *, keep_alive: bool, has_body: bool) -> None:
        self.has_begun = False
        self._connection = connection
        self._keep_alive = keep_alive
        self._has_body = has_body
        self._has_length = False
        self._is_chunked = False
        self._is_complete = False
        self._head: list[bytes] = []
        """What is written before the first piece of the body."""

    @property
    def keeps_alive(self) -> bool:
        """Return whether the connection can have another request after this answer."""
        return self._keep_alive and self._is_complete

    async def send(self, message: Message) -> None:
        """Take an event of the application."""
        if message["type"] == "http.response.start":
            self._begin(message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.body":
            await self._write(message.get("body", b""), is_last=not message.get("more_body", False))

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.has_begun = True
        self._has_body = self._has_body and status not in _WITHOUT_BODY
        self._head.append(_STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status)
        for name, value in headers:
            self._has_length = self._has_length or name.lower() == b"content-length"
            self._head.append(b"%b: %b\r\n" % (name, value))
        if not self._keep_alive:
            self._head.append(b"connection: close\r\n")

    async def _write(self, body: bytes, *, is_last: bool) -> None:
        head = b""
        if self._head:
            self._frame(len(body) if is_last else None)
            head = b"".join((*self._head, b"\r\n"))
            self._head.clear()
        if not self._has_body:
            body = b""
        elif self._is_chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (_LAST_CHUNK if is_last else b"")
        self._is_complete = is_last
        await self._connection.write(head + body)

    def _frame(self, length: int | None) -> None:
        """Let the head tell where the body ends, unless the application did."""
        if not self._has_body or self._has_length:
            return
        self._is_chunked = length is None
        self._head.append(b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length)
