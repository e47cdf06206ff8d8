"""Blocking HTTP/1.1 with streamed answers: a body may stay on the connection until the caller reads it."""

from __future__ import annotations

import base64
import ssl
import zlib

import httptools
from botocore.exceptions import ResponseStreamingError

from push.adapters.aws.http import HttpConnection

_PIECE_BYTES = 64 * 1024


class StreamingConnection(HttpConnection):
    """A connection whose answers are received piece by piece."""

    def exchange_head(self, head: bytes, content: bytes, *, is_checked: bool) -> Body:
        """Send a request and wait for the head of its answer.

        Args:
            head: head of the request.
            content: body of the request.
            is_checked: whether `x-amz-checksum-crc32` describes the answer's body. In an answer to a PUT it describes
                the stored object.

        Raises:
            OSError: the connection broke or timed out; it is closed.

        """
        reading = _Reading(is_checked=is_checked)
        is_sent = self._send(head, content)
        while not reading.is_body_next:
            self.receive(reading)
        # A server that read only part of the body would take the rest for the next request.
        self.is_open = self.is_open and is_sent
        return Body(self, reading)

    def receive(self, reading: _Reading) -> None:
        """Receive the next piece of an answer.

        Raises:
            OSError: the connection broke or timed out, or the answer is not HTTP or is damaged. It is closed.

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
        """Send a request; return whether all of it was sent. The server may refuse it and hang up before that."""
        try:
            # The timeout applies to each piece, not to the whole request.
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
    """The body of an answer, part of which may not have arrived yet; belongs to one thread.

    A body that is dropped before all of it has arrived closes its connection.
    """

    def __init__(self, connection: StreamingConnection, reading: _Reading) -> None:
        self._connection = connection
        self._reading = reading

    def __del__(self) -> None:
        self.close()

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self._reading.status

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer; names in lower case."""
        return self._reading.headers

    @property
    def is_whole(self) -> bool:
        """True once the whole body has arrived."""
        return self._reading.is_whole

    def receive_small(self, most_bytes: int) -> None:
        """Receive the whole body, unless it is larger than `most_bytes`.

        Raises:
            OSError: the connection broke or timed out, or the body is damaged. The connection is closed.

        """
        if int(self.headers.get("content-length", 0)) <= most_bytes:
            self._receive(most_bytes + 1)

    def read(self, size_bytes: int | None = None) -> bytes:
        """Return the next bytes, up to `size_bytes` or all that are left; empty at the end.

        Raises:
            ResponseStreamingError: the connection broke or timed out, or the body is damaged.

        """
        if not self.is_whole:
            self._receive_rest(size_bytes)
        return self._reading.take(size_bytes)

    def close(self) -> None:
        """Close the connection if part of the body has not arrived."""
        if not self.is_whole:
            self._connection.close()

    def _receive_rest(self, size_bytes: int | None) -> None:
        try:
            self._receive(size_bytes)
        except OSError as exc:
            raise ResponseStreamingError(error=exc) from exc
        if self.is_whole:
            # The pool did not take this connection back, because part of the body was still on it.
            self._connection.close()

    def _receive(self, size_bytes: int | None) -> None:
        reading = self._reading
        while not reading.is_whole and (size_bytes is None or len(reading.content) < size_bytes):
            self._connection.receive(reading)


class _Reading:
    """An answer that is being received; the parser calls the methods that begin with `on_`."""

    def __init__(self, *, is_checked: bool) -> None:
        self._is_checked = is_checked
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.content = bytearray()
        self.is_body_next = self.is_whole = self.keeps_alive = False
        self._checksum = 0

    def feed(self, data: bytes) -> None:
        """Parse received bytes.

        Raises:
            HttpParserError: the bytes are not HTTP.
            OSError: the body does not match its checksum.

        """
        self._parser.feed_data(data)
        if self.is_whole:
            # Breaks a reference cycle, which would keep the body in memory until the garbage collector runs.
            del self._parser
            self._check()

    def take(self, size_bytes: int | None) -> bytes:
        """Remove and return received bytes, up to `size_bytes`."""
        taken = bytes(self.content if size_bytes is None else self.content[:size_bytes])
        del self.content[: len(taken)]
        return taken

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise ValueError("The body is longer than the answer's length.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.is_body_next = True

    def on_body(self, body: bytes) -> None:
        self.content += body
        self._checksum = zlib.crc32(body, self._checksum)

    def on_message_complete(self) -> None:
        # The parser knows this only inside this callback.
        self.keeps_alive = self._parser.should_keep_alive()
        self.is_whole = True

    def _check(self) -> None:
        expected = self.headers.get("x-amz-checksum-crc32") if self._is_checked else None
        # With a hyphen and a count, it is a checksum of the parts' checksums (multipart upload).
        if expected is None or "-" in expected:
            return
        if base64.b64encode(self._checksum.to_bytes(4, "big")).decode() != expected:
            self.is_whole = False
            raise OSError("The object is damaged: it does not match its checksum.")
