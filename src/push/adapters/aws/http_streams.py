"""Blocking HTTP/1.1 over one kept connection whose answers' bodies may stay on the wire until they are read."""

from __future__ import annotations

import base64
import ssl
import zlib

import httptools
from botocore.exceptions import ResponseStreamingError

from push.adapters.aws.http import HttpConnection

_PIECE_BYTES = 64 * 1024


class StreamingConnection(HttpConnection):
    """A connection whose answers are taken piece by piece."""

    def exchange_head(self, head: bytes, content: bytes, *, is_checked: bool) -> Body:
        """Send a request and wait for the head of its answer.

        Args:
            head: of the request.
            content: its body.
            is_checked: whether `x-amz-checksum-crc32` is of the answer's body: to a PUT, it is of what was put.

        Raises:
            OSError: the connection broke, or nothing came in time; it is closed.

        """
        reading = _Reading(is_checked=is_checked)
        is_sent = self._send(head, content)
        while not reading.is_body_next:
            self.receive(reading)
        # A server that did not take all of it would take its rest for the next request.
        self.is_open = self.is_open and is_sent
        return Body(self, reading)

    def receive(self, reading: _Reading) -> None:
        """Take the next piece of an answer.

        Raises:
            OSError: the connection broke, what came is no HTTP or is damaged, or nothing came in time; it is closed.

        """
        try:
            data = self._socket.recv(_PIECE_BYTES)
            if not data:
                raise ConnectionResetError("The server closed the connection before its answer was whole.")
            reading.feed(data)
            if reading.is_whole and not reading.keeps_alive:
                self.close()
        except httptools.HttpParserError as exc:
            self.close()
            raise ConnectionError(f"The answer is not HTTP: {exc}") from exc
        except OSError:
            self.close()
            raise

    def _send(self, head: bytes, content: bytes) -> bool:
        """Return whether all was sent: a refusal may come, and the connection end, before that."""
        try:
            # The timeout is each piece's, not the whole's.
            for data in (head + content[:_PIECE_BYTES], memoryview(content)[_PIECE_BYTES:]):
                at = 0
                while at < len(data):
                    at += self._socket.send(data[at : at + _PIECE_BYTES])
        except (ConnectionError, ssl.SSLEOFError):
            return False
        except OSError:
            self.close()
            raise
        return True


class Body:
    """An object's bytes, some of which may still be on their way; of one thread.

    Dropped before it is whole, it closes its connection.
    """

    def __init__(self, connection: StreamingConnection, reading: _Reading) -> None:
        self._connection = connection
        self._reading = reading

    def __del__(self) -> None:
        self.close()

    @property
    def status(self) -> int:
        """Of the answer."""
        return self._reading.status

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer; names in lower case."""
        return self._reading.headers

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self._reading.is_whole

    def receive_small(self, most_bytes: int) -> None:
        """Wait for all of it, unless it says that it is larger, or turns out to be.

        Raises:
            OSError: it broke off, was damaged, or nothing came in time; the connection is closed.

        """
        if int(self.headers.get("content-length", 0)) <= most_bytes:
            self._receive(most_bytes + 1)

    def read(self, size_bytes: int | None = None) -> bytes:
        """Return what has not been returned, up to so many bytes; empty at the end.

        Raises:
            ResponseStreamingError: it broke off, was damaged, or nothing came in time.

        """
        if not self.is_whole:
            self._receive_rest(size_bytes)
        return self._reading.take(size_bytes)

    def close(self) -> None:
        """Give up what has not come yet."""
        if not self.is_whole:
            self._connection.close()

    def _receive_rest(self, size_bytes: int | None) -> None:
        try:
            self._receive(size_bytes)
        except OSError as exc:
            raise ResponseStreamingError(error=exc) from exc
        if self.is_whole:
            # Whoever keeps connections did not keep this one: something was still on it.
            self._connection.close()

    def _receive(self, size_bytes: int | None) -> None:
        reading = self._reading
        while not reading.is_whole and (size_bytes is None or len(reading.content) < size_bytes):
            self._connection.receive(reading)


class _Reading:
    """An answer on its way; the parser calls the methods that begin with `on_`."""

    def __init__(self, *, is_checked: bool) -> None:
        self._is_checked = is_checked
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.content = bytearray()
        self.is_body_next = self.is_whole = self.keeps_alive = False
        self._checksum = 0

    def feed(self, data: bytes) -> None:
        """Take what came.

        Raises:
            HttpParserError: it is not HTTP.
            OSError: the body is another than the one that its checksum is of.

        """
        self._parser.feed_data(data)
        if self.is_whole:
            # The two refer to each other: without this, the body stays until the garbage collector comes.
            del self._parser
            self._check()

    def take(self, size_bytes: int | None) -> bytes:
        """Return what has come, up to so many bytes."""
        taken = bytes(self.content if size_bytes is None else self.content[:size_bytes])
        del self.content[: len(taken)]
        return taken

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise ValueError("There is more than the answer's length says.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.is_body_next = True

    def on_body(self, body: bytes) -> None:
        self.content += body
        self._checksum = zlib.crc32(body, self._checksum)

    def on_message_complete(self) -> None:
        # Only now does the parser know; afterwards it has forgotten.
        self.keeps_alive = self._parser.should_keep_alive()
        self.is_whole = True

    def _check(self) -> None:
        expected = self.headers.get("x-amz-checksum-crc32") if self._is_checked else None
        # A hyphen precedes the number of parts of whose checksums it is one.
        if expected is None or "-" in expected:
            return
        if base64.b64encode(self._checksum.to_bytes(4, "big")).decode() != expected:
            self.is_whole = False
            raise OSError("The object came damaged: its checksum is another.")
