"""Frames to clients through `@connections`, over few keep-alive connections and without botocore on the way.

One push costs a twentieth to a thirtieth of the CPU that boto3's `post_to_connection` takes, and threads do not help
boto3 (`benchmarks/push_clients.py` measures both). `boto3_connections` is the same behind a setting.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import httptools

from push.ports import PostOutcome
from push.sigv4 import Signer

_TIMEOUT_SECONDS = 3.0
_OUTCOMES = {200: PostOutcome.DELIVERED, 410: PostOutcome.GONE, 429: PostOutcome.RETRY}


class _HttpConnection(asyncio.Protocol):
    """One HTTP/1.1 connection that carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self._transport = transport
        self.is_open = True

    def request(self, data: bytes) -> asyncio.Future[int]:
        """Send a whole request; the future is the status of its answer."""
        assert self._transport is not None  # noqa: S101 - set when the connection was made
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(ConnectionError(f"The answer is not HTTP: {exc}"))
            self.close()

    def on_message_complete(self) -> None:
        """Take the answer that the parser has read to its end."""
        if not self._parser.should_keep_alive():
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._fail(exc or ConnectionResetError("The service closed the connection."))

    def _fail(self, exc: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc)

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()


class LeanConnections:
    """`push.ports.ClientConnections` by hand: signed POSTs over a pool of keep-alive connections.

    Args:
        endpoint: the management endpoint, `https://{host}/{stage}`.
        signer: signs for the service `execute-api`.
        connections: how many pushes are under way at once.

    """

    def __init__(self, endpoint: str, signer: Signer, *, connections: int = 50) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._host_header = self._host if parts.port is None else f"{self._host}:{parts.port}"
        self._path = f"{parts.path.rstrip('/')}/%40connections/"
        self._signer = signer
        self._connections = connections
        self._idle: deque[_HttpConnection] = deque()

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        """See `ClientConnections.post_all`."""
        outcomes = [PostOutcome.RETRY] * len(frames)
        turns = iter(enumerate(frames))

        async def post_in_turn() -> None:
            for index, (connection_id, frame) in turns:
                outcomes[index] = await self._post(connection_id, frame.encode())

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._connections, len(frames))):
                group.create_task(post_in_turn())
        return outcomes

    async def _post(self, connection_id: str, body: bytes) -> PostOutcome:
        # After a freeze every kept-alive connection may be dead: the second try is made on a fresh one.
        for may_be_kept in (True, False):
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    return outcome_of(await self._post_once(connection_id, body, may_be_kept=may_be_kept))
            except (OSError, TimeoutError):
                continue
        return PostOutcome.RETRY

    async def _post_once(self, connection_id: str, body: bytes, *, may_be_kept: bool) -> int:
        connection = (self._kept_connection() if may_be_kept else None) or await self._new_connection()
        answered = False
        try:
            status = await connection.request(self._request(connection_id, body))
            answered = True
            return status
        finally:
            if answered and connection.is_open:
                self._idle.append(connection)
            else:
                connection.close()

    def _kept_connection(self) -> _HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _new_connection(self) -> _HttpConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_HttpConnection, self._host, self._port, ssl=self._tls)
        return connection

    def _request(self, connection_id: str, body: bytes) -> bytes:
        path = self._path + quote(connection_id, safe="")
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = self._signer.headers("POST", self._host_header, path, body, timestamp)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host_header}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


def outcome_of(status: int) -> PostOutcome:
    """Return what a status of the management API means ("Use @connections commands", API Gateway Developer Guide)."""
    if outcome := _OUTCOMES.get(status):
        return outcome
    return PostOutcome.RETRY if status >= 500 else PostOutcome.REFUSED
