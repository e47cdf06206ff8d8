"""Blocking HTTP/1.1 over one keep-alive connection, with a parser in C, for small calls of AWS services."""

from __future__ import annotations

import socket
import ssl
from functools import cache

import httptools
import msgspec

_READ_BYTES = 64 * 1024


@cache
def tls_context() -> ssl.SSLContext:
    """Return the process's only TLS context: loading the certificates takes longer than most calls."""
    return ssl.create_default_context()


class HttpAnswer(msgspec.Struct):
    """A complete answer; header names are in lower case."""

    status: int = 0
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class HttpConnection:
    """A connection that carries one request at a time.

    Args:
        host: name or address of the server.
        port: its port.
        tls: whether to use TLS.
        connect_seconds: the limit to connect to each address of the host.
        read_seconds: the limit between two pieces of an answer.

    Raises:
        OSError: the connection failed or timed out.

    """

    def __init__(self, host: str, port: int, *, tls: bool, connect_seconds: float, read_seconds: float) -> None:
        plain = socket.create_connection((host, port), connect_seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket = tls_context().wrap_socket(plain, server_hostname=host) if tls else plain
        self._socket.settimeout(read_seconds)
        self.is_open = True

    def exchange(self, request: bytes) -> HttpAnswer:
        """Send a whole request and read its answer.

        Raises:
            OSError: the connection broke or timed out; it is closed.

        """
        reading = _Reading()
        try:
            self._socket.sendall(request)
            while not reading.is_whole:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    raise ConnectionResetError("The server closed the connection before its answer was whole.")
                reading.parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.close()
            raise ConnectionError(f"The answer is not HTTP: {exc}") from exc
        except OSError:
            self.close()
            raise
        if not reading.keeps_alive:
            self.close()
        return reading.answer()

    def close(self) -> None:
        """Close the connection; idempotent."""
        self.is_open = False
        self._socket.close()


class _Reading:
    """An answer that is being received; the parser calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.is_whole = self.keeps_alive = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        # The parser knows this only inside this callback.
        self.keeps_alive = self.parser.should_keep_alive()
        self.is_whole = True

    def answer(self) -> HttpAnswer:
        return HttpAnswer(self.parser.get_status_code(), self._headers, b"".join(self._body))
