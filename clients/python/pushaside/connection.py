"""An open WebSocket that sends messages in the order they are posted, and passes on those that arrive.

The only module of the client that imports the `websockets` library, whose exceptions become this package's here.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, InvalidURI, WebSocketException
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from pushaside.errors import CannotConnectError, ForbiddenError, PushasideError, UnauthorizedError
from pushaside.protocol.messages import split_frames
from pushaside.reaching import TRY_AGAIN, is_loopback, read_seconds, say_reason
from pushaside.settings import Settings

logger = logging.getLogger("pushaside")

_UNAUTHORIZED, _FORBIDDEN = 401, 403

_IN_A_ROW = 100
"""Messages that are read in one turn of the event loop: thousands of small ones may arrive at once."""

_TCP_KEEPALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""After 20 idle seconds the system sends a probe, repeats it every 5 seconds, and gives up after the third.

Probes cost no messages, but reach no farther than the next proxy, so the session relies on its own pings.
"""

_TURN_BYTES = 64 * 1024
"""Messages of one turn of the event loop are sent together, up to this many bytes."""

_ABNORMAL = 1006
"""RFC 6455, 7.4.1: the code of a connection that ended without a closing handshake."""


class Connection:
    """An open WebSocket for sending; call `listen` once to receive."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._outbox: deque[tuple[bytes, int]] = deque()
        self._posted = asyncio.Event()
        self._is_writing = False
        self._has_sent = False
        """Whether something was sent since the last message arrived."""
        self._held_bytes = 0
        self._flushing: asyncio.Handle | None = None
        self._writer = asyncio.create_task(self._write())

    def post(self, message: bytes, frame_bytes: int) -> None:
        """Send a UTF-8 message after those before it, in frames of at most `frame_bytes`.

        If the connection is lost before that, the message is lost.
        """
        if len(message) <= frame_bytes // 2 and self._is_free:
            self._send_small(message)
        else:
            self._outbox.append((message, frame_bytes))
            self._posted.set()

    @property
    def _is_free(self) -> bool:
        """Whether the connection is open and neither sends nor buffers anything."""
        if self._outbox or self._is_writing or self._websocket.state is not State.OPEN:
            return False
        return not self._websocket.transport.get_write_buffer_size()

    def _send_small(self, message: bytes) -> None:
        """Send a small message without waking the writer: the first since something arrived at once, others together.

        Many answers at once lead to many requests at once, and a system call for each would cost more than all else.
        This does what `ClientConnection.send` does except for flow control, by the library's interface without I/O.
        Any other send flushes the held messages first, so the order is kept.
        """
        self._websocket.protocol.send_text(message)
        self._held_bytes += len(message)
        if not self._has_sent or self._held_bytes > _TURN_BYTES:
            self._has_sent = True
            self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._flushing = None
        self._flush()

    def _flush(self) -> None:
        self._held_bytes = 0
        # While the connection closes, the library sends the rest.
        if self._websocket.state is State.OPEN:
            self._websocket.transport.writelines(self._websocket.protocol.data_to_send())

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Pass each message that arrives to `take`, until either side closes the connection or it is lost."""
        try:
            for taken in itertools.count(1):
                message = await self._websocket.recv(decode=False)
                self._has_sent = False
                take(message)
                if taken % _IN_A_ROW == 0:
                    await asyncio.sleep(0)
        except ConnectionClosed as exc:
            logger.debug("the connection ended: %s", exc)
        finally:
            self._writer.cancel()

    @property
    def ending(self) -> tuple[int | None, str]:
        """The close code and reason of a connection that ended; the code is None without a closing handshake."""
        code = self._websocket.close_code
        return (None if code == _ABNORMAL else code), self._websocket.close_reason or ""

    async def close(self) -> None:
        """Close the connection with a closing handshake, within the close timeout."""
        self._writer.cancel()
        await asyncio.wait({self._writer})
        await self._websocket.close()

    async def _write(self) -> None:
        try:
            while True:
                self._is_writing = True
                while self._outbox:
                    await self._send(*self._outbox.popleft())
                self._is_writing = False
                self._posted.clear()
                await self._posted.wait()
        except ConnectionClosed:
            # `listen` ends as well, and the session sends unanswered requests again on another connection.
            self._outbox.clear()

    async def _send(self, message: bytes, frame_bytes: int) -> None:
        if len(message) <= frame_bytes // 2:
            await self._websocket.send(message, text=True)
        else:
            frames = list(split_frames(message, frame_bytes))
            await self._websocket.send(frames[0] if len(frames) == 1 else frames, text=True)


def check_url(url: str) -> None:
    """Check that a URL can be that of a WebSocket.

    Raises:
        ValueError: it cannot; the sentence says why.

    """
    try:
        parse_uri(url)
    except (InvalidURI, ValueError) as exc:
        raise ValueError(f"{url!r} is not a WebSocket URL such as ws://127.0.0.1:8080/v1.") from exc


async def open_connection(
    url: str, token: str | None, settings: Settings, tls: ssl.SSLContext | None = None
) -> Connection:
    """Open a WebSocket.

    Raises:
        UnauthorizedError: the service answered the handshake with 401.
        ForbiddenError: the service answered the handshake with 403.
        CannotConnectError: the connection failed for another reason.

    """
    try:
        websocket = await connect_websocket(
            url,
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            # API Gateway does not compress, and a compressor takes hundreds of kilobytes of memory.
            compression=None,
            open_timeout=settings.open_timeout_seconds,
            close_timeout=settings.close_timeout_seconds,
            # API Gateway does not count a ping of RFC 6455 as activity; the session sends ping messages instead.
            ping_interval=None,
            max_size=settings.max_receive_bytes,
            proxy=None if is_loopback(parse_uri(url).host) else True,
            ssl=(tls or True) if parse_uri(url).secure else None,
        )
    except (OSError, WebSocketException, EOFError) as exc:
        raise _translate(exc, url) from exc
    _keep_alive(websocket)
    return Connection(websocket)


def _keep_alive(websocket: ClientConnection) -> None:
    """Turn on TCP keep-alive where the system supports it."""
    its_socket = websocket.transport.get_extra_info("socket")
    try:
        its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_KEEPALIVE:
            if hasattr(socket, name):
                its_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except (OSError, AttributeError) as exc:
        # Another kind of event loop may have no such socket.
        logger.debug("TCP keep-alive is off: %s", exc)


def _translate(exc: Exception, url: str) -> PushasideError:
    match exc:
        case InvalidStatus():
            return _refusal(exc.response, url)
        case InvalidMessage() if isinstance(exc.__cause__, EOFError):
            return CannotConnectError("The service closed the connection during the handshake.")
        case TimeoutError():
            return CannotConnectError(f"{_place(url)} did not answer in time.", is_answered=False)
        case ssl.SSLCertVerificationError():
            return CannotConnectError(f"The certificate of {_place(url)} is not valid: {exc}.", retryable=False)
        case ConnectionResetError() | BrokenPipeError():
            return CannotConnectError("The service closed the connection during the handshake.")
        case OSError():
            return CannotConnectError(f"Nothing answers at {_place(url)}: {say_reason(exc)}.", is_answered=False)
        case _:
            return CannotConnectError(f"The service at {_place(url)} does not speak WebSocket.", retryable=False)


def _refusal(response: Response, url: str) -> PushasideError:
    status, hint = response.status_code, ""
    if status not in TRY_AGAIN and not _has_stage(url):
        hint = " The URL probably lacks its stage, such as /v1 at its end."
    if status == _UNAUTHORIZED:
        return UnauthorizedError("The service demands a valid token (401).")
    if status == _FORBIDDEN:
        return ForbiddenError(f"The service refuses this caller (403).{hint}")
    return CannotConnectError(
        f"The service answered the handshake with status {status}.{hint}",
        status=status,
        retryable=status in TRY_AGAIN,
        retry_after=read_seconds(response.headers.get("Retry-After", "")),
    )


def _has_stage(url: str) -> bool:
    """Tell whether a URL has a path: API Gateway expects the name of the stage there."""
    return bool(parse_uri(url).path.strip("/"))


def _place(url: str) -> str:
    """Return host and port of a URL, without its query, which may contain a ticket."""
    uri = parse_uri(url)
    return f"{uri.host}:{uri.port}"
