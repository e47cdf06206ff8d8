"""The generator's WebSocket client, which does as little work per message as Python allows.

It implements the parts of RFC 6455 that servers need: text, ping and close, fragmented messages, no extensions. It
masks frames with zeros, which costs neither side time.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

OnMessage = Callable[["Socket", bytes], object]

_TEXT, _PONG = 0x1, 0xA
_FINAL = 0x80


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a WebSocket."""

    host: str
    port: int
    path: str
    authority: str = ""
    """The Host header, if it is not host and port."""

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address of `ws://host:port/path`."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, parts.path + (f"?{parts.query}" if parts.query else ""))


class RefusedError(Exception):
    """The server did not answer the handshake with 101."""


class Socket(asyncio.Protocol):
    """A connection. It calls `on_message`, which can be replaced at any time, with each message."""

    __slots__ = ("_address", "_is_open", "_parts", "_rest", "_transport", "is_lost", "on_message", "opened", "state")

    def __init__(self, address: Address, on_message: OnMessage) -> None:
        self._address = address
        self._rest = b""
        self._parts: list[bytes] = []
        self._is_open = False
        self.on_message = on_message
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self.state: object = None
        """A place for the state of the code that uses the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        address, key = self._address, base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {address.path or '/'} HTTP/1.1\r\nHost: {address.authority or f'{address.host}:{address.port}'}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nUser-Agent: benchmark\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Pass complete messages to `on_message`."""
        data = self._rest + data if self._rest else data
        if not self._is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._refuse(head[:200])
                return
            self._is_open = True
            self.opened.set_result(None)
        self._read_frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the connection is gone."""
        self.is_lost = True
        if not self.opened.done():
            self.opened.set_exception(RefusedError(f"lost during the handshake: {exc}"))

    def send(self, text: bytes) -> None:
        """Send a text message."""
        self._transport.write(frame(_TEXT, text))

    def close(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    def _refuse(self, head: bytes) -> None:
        self.opened.set_exception(RefusedError(head.decode("latin-1")))
        self._transport.abort()

    def _read_frames(self, data: bytes) -> None:
        start, size = 0, len(data)
        while size - start >= 2:
            first, length, head = data[start], data[start + 1], 2
            if length == 126:
                head, length = 4, int.from_bytes(data[start + 2 : start + 4], "big")
            elif length == 127:
                head, length = 10, int.from_bytes(data[start + 2 : start + 10], "big")
            end = start + head + length
            if end > size or size < start + head:
                break
            if first == _FINAL | _TEXT:
                self.on_message(self, data[start + head : end])
            else:
                self._read_other(first, data[start + head : end])
            start = end
        self._rest = data[start:]

    def _read_other(self, first: int, payload: bytes) -> None:
        match first & 0x0F:
            case 0x0 | 0x1 | 0x2:  # a part of a message, or one that is not text
                self._parts.append(payload)
                if first & _FINAL:
                    message, self._parts = b"".join(self._parts), []
                    self.on_message(self, message)
            case 0x9:
                self._transport.write(frame(_PONG, payload))
            case 0x8:
                self._transport.close()


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a masked frame of a short payload."""
    length = len(payload)
    if length < 126:
        return bytes((_FINAL | opcode, 0x80 | length, 0, 0, 0, 0)) + payload
    return bytes((_FINAL | opcode, 0xFE)) + length.to_bytes(2, "big") + b"\0\0\0\0" + payload


async def open_socket(address: Address, on_message: OnMessage, local_address: str | None = None) -> Socket:
    """Open a connection. Raises RefusedError, and TimeoutError after 30 seconds."""
    loop = asyncio.get_running_loop()
    source = (local_address, 0) if local_address else None
    async with asyncio.timeout(30):
        _, socket = await loop.create_connection(
            lambda: Socket(address, on_message), address.host, address.port, local_addr=source
        )
        await socket.opened
    return socket
