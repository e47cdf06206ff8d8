"""The protocols of the peers: one class for each way to request, answer and subscribe."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from benchmarks.peers.client import Socket
from benchmarks.peers.documents import Document, is_gzip_of

TOPIC = "benchmark:news"
SUBSCRIBE_ID = "subscribe"


class Dialect(Protocol):
    """The protocol of a server."""

    def greet(self, socket: Socket, message: bytes) -> bool:
        """Process a message before the first request. Return whether the greeting is complete."""

    @property
    def speaks_first(self) -> bool:
        """Whether the server sends a message before it accepts requests."""

    def ask(self, document: Document, *, is_gzip: bool) -> tuple[bytes, bytes]:
        """Return the parts of a request before and after its id."""

    def is_answer(self, message: bytes) -> bool:
        """Return whether a message is an answer, not an acknowledgement or a message of the protocol itself."""

    def read(self, message: bytes) -> tuple[str, Any]:
        """Return an answer's id and data."""

    def subscribe(self) -> bytes | None:
        """Return the message that subscribes to the topic; None if connecting subscribes."""


class PlainJson:
    """The protocol of a plain server and its client."""

    speaks_first = False

    def greet(self, _socket: Socket, _message: bytes) -> bool:
        return True

    def ask(self, document: Document, *, is_gzip: bool) -> tuple[bytes, bytes]:
        key = f"gzip:{document.key}" if is_gzip else document.key
        return b'{"action":"request","id":"', f'","key":"{key}"}}'.encode()

    def is_answer(self, _message: bytes) -> bool:
        return True

    def read(self, message: bytes) -> tuple[str, Any]:
        answer = msgspec.json.decode(message)
        return answer["id"], answer["data"]

    def subscribe(self) -> bytes | None:
        return f'{{"action":"subscribe","topic":"{TOPIC}"}}'.encode()


class Pushaside(PlainJson):
    """The protocol of Pushaside."""

    def ask(self, document: Document, *, is_gzip: bool) -> tuple[bytes, bytes]:
        accept = ',"accept":["gzip"]' if is_gzip else ""
        params = msgspec.json.encode(document.params).decode()
        return (
            b'{"action":"request","id":"',
            f'","compute":"{document.compute}","params":{params}{accept}}}'.encode(),
        )

    def is_answer(self, message: bytes) -> bool:
        return not message.startswith(b'{"type":"accepted"')

    def subscribe(self) -> bytes | None:
        return f'{{"action":"subscribe","id":"{SUBSCRIBE_ID}","topic":"{TOPIC}"}}'.encode()


class SocketIo(PlainJson):
    """Socket.IO's protocol 5 over Engine.IO's 4, with only the WebSocket transport.

    `0` opens, `40` connects to the namespace, `42` is an event, `2` and `3` are ping and pong
    (https://socket.io/docs/v4/socket-io-protocol/ and https://socket.io/docs/v4/engine-io-protocol/).
    """

    speaks_first = True

    def greet(self, socket: Socket, message: bytes) -> bool:
        if message.startswith(b"0"):
            socket.send(b"40")
        return message.startswith(b"40")

    def ask(self, document: Document, *, is_gzip: bool) -> tuple[bytes, bytes]:
        before, after = super().ask(document, is_gzip=is_gzip)
        return b'42["request",' + before, after + b"]"

    def is_answer(self, message: bytes) -> bool:
        return message.startswith(b"42")

    def read(self, message: bytes) -> tuple[str, Any]:
        answer = msgspec.json.decode(message[2:])[1]
        return answer["id"], answer["data"]

    def subscribe(self) -> bytes | None:
        return f'42["subscribe",{{"topic":"{TOPIC}"}}]'.encode()


class Silent(PlainJson):
    """A protocol that subscribes every connection and has no requests."""

    def subscribe(self) -> bytes | None:
        return None


def is_right(data: object, document: Document, *, is_gzip: bool) -> bool:
    """Return whether an answer's data is a document."""
    if is_gzip:
        return isinstance(data, str) and is_gzip_of(data, document.content)
    return bool(data == msgspec.json.decode(document.content))
