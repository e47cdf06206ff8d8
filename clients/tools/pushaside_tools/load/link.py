"""A lean WebSocket: the protocol of the `websockets` library directly on an asyncio transport."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from pushaside.errors import CannotConnectError
from pushaside.reaching import say_reason
from pushaside.settings import Settings

OnMessage = Callable[[bytes, int], None]
OnClose = Callable[[int], None]

_OPEN_SECONDS = 10.0


class Link(asyncio.Protocol):
    """A WebSocket that passes each whole message with its own number to `on_message`, and its end to `on_close`."""

    def __init__(self, uri: WebSocketURI, token: str | None, number: int) -> None:
        # API Gateway does not compress. The size limit is the client's.
        self._protocol = ClientProtocol(uri, max_size=Settings().max_receive_bytes)
        self._token = token
        self._number = number
        self._fragments: list[bytes] = []
        self._on_message: OnMessage = _ignore_message
        self._on_close: OnClose = _ignore_close
        self._transport: asyncio.Transport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def listen(self, on_message: OnMessage, on_close: OnClose) -> None:
        """Set the callbacks. Messages that arrive earlier are dropped; an earlier end is reported at once."""
        self._on_message, self._on_close = on_message, on_close
        if self.ended.done():
            on_close(self._number)

    def send(self, message: bytes) -> None:
        """Send a message in one frame."""
        self._protocol.send_text(message)
        self._write()

    def close(self) -> None:
        """Start the closing handshake; `ended` is done once the connection is gone."""
        self._on_close = _ignore_close
        if not self.ended.done() and not self._transport.is_closing():
            self._protocol.send_close(1000)
            self._write()

    def abort(self) -> None:
        """Drop the connection without a closing handshake."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the WebSocket handshake."""
        self._transport = cast("asyncio.Transport", transport)
        request = self._protocol.connect()
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Process bytes from the network."""
        self._protocol.receive_data(data)
        self._write()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        if not self.opened.done():
            self._settle_opening()
        if self._protocol.close_expected():
            self._transport.close()

    def eof_received(self) -> None:
        """Close this side too."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the connection is gone."""
        if not self.opened.done():
            self.opened.set_exception(exc or CannotConnectError("hung up during the handshake"))
        self.ended.set_result(None)
        self._on_close(self._number)

    def _settle_opening(self) -> None:
        if self._protocol.handshake_exc is not None:
            self.opened.set_exception(self._protocol.handshake_exc)
        elif self._protocol.state is State.OPEN:
            self.opened.set_result(None)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT and frame.fin:
            self._on_message(bytes(frame.data), self._number)
        elif frame.opcode in {Opcode.TEXT, Opcode.CONT}:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._fragments)
                self._fragments.clear()
                self._on_message(message, self._number)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


async def open_link(url: str, token: str | None, number: int) -> Link:
    """Open a WebSocket.

    Raises:
        CannotConnectError: The handshake failed. The message is a short reason without particulars, to be counted.

    """
    uri = parse_uri(url)
    tls = ssl.create_default_context() if uri.secure else None
    loop = asyncio.get_running_loop()
    link: Link | None = None
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            _, link = await loop.create_connection(lambda: Link(uri, token, number), uri.host, uri.port, ssl=tls)
            await link.opened
    except TimeoutError as exc:
        _abandon(link)
        raise CannotConnectError("no answer in time") from exc
    except (OSError, WebSocketException) as exc:
        _abandon(link)
        raise CannotConnectError(_describe(exc)) from exc
    return link


def _abandon(link: Link | None) -> None:
    if link is not None:
        link.abort()


def _describe(exc: Exception) -> str:
    match exc:
        case InvalidStatus():
            return f"status {exc.response.status_code}"
        case ssl.SSLCertVerificationError():
            return "the certificate is not valid"
        case CannotConnectError():
            return exc.message
        case OSError():
            return say_reason(exc)
        case _:
            return "no WebSocket service"


def _ignore_message(_message: bytes, _number: int) -> None:
    """Drop a message that arrives before `listen`."""


def _ignore_close(_number: int) -> None:
    """Ignore an end before `listen` or after `close`."""
