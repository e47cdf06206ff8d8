"""One open WebSocket: messages out in the order they are posted, messages in as they come.

The client's only module that knows the `websockets` library; its exceptions become this package's here.
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
"""After so many messages others have a turn: thousands of small ones can come at once, more than may wait for them."""

_TCP_KEEPALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""After 20 idle seconds the system asks the peer's for a sign of life, every 5 seconds, and gives up after the third.

It costs no messages, but goes no farther than the next proxy: the session's own pings are what can be relied on.
"""

_TURN_BYTES = 64 * 1024
"""What is sent in one turn of the event loop goes out together, unless it is more than this."""

_ABNORMAL = 1006
"""RFC 6455, 7.4.1: stands for a connection that ended without saying so."""


class Connection:
    """Sends and receives on an open WebSocket; `listen` to it once to receive."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._outbox: deque[tuple[bytes, int]] = deque()
        self._posted = asyncio.Event()
        self._is_writing = False
        self._has_sent = False
        """Whether something was sent since the last message came."""
        self._held_bytes = 0
        self._flushing: asyncio.Handle | None = None
        self._writer = asyncio.create_task(self._write())

    def post(self, message: bytes, frame_bytes: int) -> None:
        """Send a message of UTF-8 as soon as those before it are sent, in frames of at most so many bytes.

        If the connection is lost before, the message is too.
        """
        if len(message) <= frame_bytes // 2 and self._is_free:
            self._send_small(message)
        else:
            self._outbox.append((message, frame_bytes))
            self._posted.set()

    @property
    def _is_free(self) -> bool:
        """Whether nothing is being sent, and nothing waits in the socket's buffer either."""
        if self._outbox or self._is_writing or self._websocket.state is not State.OPEN:
            return False
        return not self._websocket.transport.get_write_buffer_size()

    def _send_small(self, message: bytes) -> None:
        """Send what need not wait for the writer to wake up: the first after something came at once, others together.

        Many answers that come at once make for many requests at once; one system call for each of them would cost
        more than all else. It is what `ClientConnection.send` does but for flow control, by the library's interface
        without I/O. What is held is sent by whoever else sends before its time, in order.
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
        # Once it is being closed, what is left to send is the library's business.
        if self._websocket.state is State.OPEN:
            self._websocket.transport.writelines(self._websocket.protocol.data_to_send())

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand over the messages that come, until the connection is closed by either side or lost."""
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
        """The close code and why, once it is over; None without a closing handshake."""
        code = self._websocket.close_code
        return (None if code == _ABNORMAL else code), self._websocket.close_reason or ""

    async def close(self) -> None:
        """Say goodbye and close; bounded by the close timeout."""
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
            # Whoever receives learns of it, and what was not sent is asked again on another connection.
            self._outbox.clear()

    async def _send(self, message: bytes, frame_bytes: int) -> None:
        if len(message) <= frame_bytes // 2:
            await self._websocket.send(message, text=True)
        else:
            frames = list(split_frames(message, frame_bytes))
            await self._websocket.send(frames[0] if len(frames) == 1 else frames, text=True)


def check_url(url: str) -> None:
    """Check that a URL can be one of a WebSocket.

    Raises:
        ValueError: it can't; the sentence says why.

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
        UnauthorizedError: the handshake was answered 401.
        ForbiddenError: the handshake was answered 403.
        CannotConnectError: no connection came about for another reason.

    """
    try:
        websocket = await connect_websocket(
            url,
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            # API Gateway does not compress, and a compressor costs hundreds of kilobytes of memory.
            compression=None,
            open_timeout=settings.open_timeout_seconds,
            close_timeout=settings.close_timeout_seconds,
            # A ping of RFC 6455 does not count as activity at API Gateway; the session sends messages that do.
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
    """Have the system watch over a connection as well, where it can."""
    its_socket = websocket.transport.get_extra_info("socket")
    try:
        its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_KEEPALIVE:
            if hasattr(socket, name):
                its_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except (OSError, AttributeError) as exc:
        # A loop of another kind may have no such socket.
        logger.debug("TCP's own keep-alive is not in force: %s", exc)


def _translate(exc: Exception, url: str) -> PushasideError:
    match exc:
        case InvalidStatus():
            return _refusal(exc.response, url)
        case InvalidMessage() if isinstance(exc.__cause__, EOFError):
            return CannotConnectError("The service hung up during the handshake.")
        case TimeoutError():
            return CannotConnectError(f"{_place(url)} did not answer in time.", is_answered=False)
        case ssl.SSLCertVerificationError():
            return CannotConnectError(f"The certificate of {_place(url)} is not valid: {exc}.", retryable=False)
        case ConnectionResetError() | BrokenPipeError():
            return CannotConnectError("The service hung up during the handshake.")
        case OSError():
            return CannotConnectError(f"Nothing answers at {_place(url)}: {say_reason(exc)}.", is_answered=False)
        case _:
            return CannotConnectError(f"What answers at {_place(url)} is no WebSocket service.", retryable=False)


def _refusal(response: Response, url: str) -> PushasideError:
    status, hint = response.status_code, ""
    if status not in TRY_AGAIN and not _has_stage(url):
        hint = " The URL probably lacks its stage, such as /v1 at its end."
    if status == _UNAUTHORIZED:
        return UnauthorizedError("The service asks for a valid token (401).")
    if status == _FORBIDDEN:
        return ForbiddenError(f"The service does not let this caller in (403).{hint}")
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
    """Name a service without its query, which may hold a ticket."""
    uri = parse_uri(url)
    return f"{uri.host}:{uri.port}"
