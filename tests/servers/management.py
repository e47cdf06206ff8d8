"""A small `@connections`: takes posts over HTTP/1.1, and answers, is slow, or breaks off as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from tests.patience import PATIENCE_SECONDS

ERRORS = {
    400: "BadRequestException",
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
    500: "InternalServerErrorException",
    503: "ServiceUnavailableException",
}
DROP = "drop"
"""Read the request and close the connection without an answer."""

CLOSE = "close"
"""Deliver, say so, and close the connection."""

GARBAGE = "garbage"
HANG = "hang"
THROTTLED = "throttled"
"""429 by an exception that the service's model does not name, as the account's rate limit may be told."""


@dataclass(frozen=True)
class Post:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def connection_id(self) -> str:
        return unquote(self.path.rpartition("/")[2])


class ManagementServer:
    """Delivers to every connection that `behaviours` does not name; a behaviour is a status or one of the above.

    A list of behaviours is used up one by one, after which the connection takes everything.
    """

    def __init__(self) -> None:
        self.behaviours: defaultdict[str, list[int | str]] = defaultdict(list)
        self.always: dict[str, int | str] = {}
        self.posts: list[Post] = []
        self.frames: defaultdict[str, list[str]] = defaultdict(list)
        self.closes_idle_connections = False
        self.drops_kept_connections = False
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.most_open = 0
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._stopping.set()
        self.drop_all()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*self._serving)

    def drop_all(self) -> None:
        """Break off every connection."""
        for writer in self.open:
            writer.transport.abort()

    def received(self, connection_id: str) -> list[dict]:
        """Return the frames that a connection got."""
        return [json.loads(frame) for frame in self.frames[connection_id]]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        self.connections += 1
        self.open.add(writer)
        self.most_open = max(self.most_open, len(self.open))
        is_kept = False
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while (post := await _read(reader)) and not (is_kept and self.drops_kept_connections):
                is_kept = await self._answer(post, writer)
                if not is_kept:
                    break
        self.open.discard(writer)
        writer.close()

    async def _answer(self, post: Post, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection stays open."""
        self.posts.append(post)
        behaviour = self._behaviour(post.connection_id)
        if behaviour == HANG:
            await self._stopping.wait()
        if behaviour in (DROP, HANG):
            return False
        if behaviour == GARBAGE:
            writer.write(b"SSH-2.0 no HTTP\r\n\r\n")
            await writer.drain()
            return False
        status = {CLOSE: 200, THROTTLED: 429}.get(behaviour, behaviour)
        if status == 200:
            self.frames[post.connection_id].append(post.body.decode())
        error = "TooManyRequestsException" if behaviour == THROTTLED else ERRORS.get(status, "")
        writer.write(_response(status, error, is_last=behaviour == CLOSE))
        await writer.drain()
        return behaviour != CLOSE and not self.closes_idle_connections

    def _behaviour(self, connection_id: str) -> int | str:
        if waiting := self.behaviours[connection_id]:
            return waiting.pop(0)
        return self.always.get(connection_id, 200)


async def _read(reader: asyncio.StreamReader) -> Post:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Post(request_line.split(" ")[1], headers, body)


def _response(status: int, error: str, *, is_last: bool) -> bytes:
    body = json.dumps({"message": error}).encode() if error else b""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    if error:
        lines.append(f"x-amzn-ErrorType: {error}")
    if is_last:
        lines.append("Connection: close")
    return "\r\n".join((*lines, "", "")).encode() + body


@contextlib.contextmanager
def served_in_a_thread() -> Iterator[ManagementServer]:
    """Run a server beside handlers that block."""
    server, loop = ManagementServer(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_SECONDS)

    run(server.start())
    try:
        yield server
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
