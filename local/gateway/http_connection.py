"""One TCP connection that carries HTTP/1.1 until it becomes a WebSocket."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

from local.gateway.http_messages import HttpRequest, closing, message_response

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
"""An HTTP API's payload limit ("Quotas for configuring and running an HTTP API", Developer Guide)."""
MAX_HEAD_BYTES: Final = 10_240
"""Limit of the request line and header values together (same page)."""

_MAX_UNPARSED_HEAD_BYTES = 64 * 1024
_MAX_DISCARDED_BYTES = 8 * MAX_BODY_BYTES
_MAX_QUEUED_REQUESTS = 64

_NO_REQUEST = HttpRequest(b"", [])
_BAD_REQUEST = message_response(400, "Bad Request")
_HEAD_TOO_LARGE = message_response(431, "Request Header Fields Too Large")
_BODY_TOO_LARGE = message_response(413, "Request Entity Too Large")

log = logging.getLogger(__name__)


class RequestHandler(Protocol):
    """The receiver of a connection's requests."""

    def connection_opened(self, connection: HttpConnection) -> None:
        """Note a new connection."""

    def connection_lost(self, connection: HttpConnection) -> None:
        """Forget a connection: it ended, or it became a WebSocket."""

    def answer(self, request: HttpRequest, connection: HttpConnection) -> None:
        """Call the connection's `respond` (or `upgrade`) once, at once or later."""


class HttpConnection(asyncio.Protocol):
    """Parses requests, including pipelined ones, and answers them in order, one at a time."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_current",
        "_draining",
        "_handler",
        "_head_bytes",
        "_in_head",
        "_now",
        "_outgoing",
        "_parser",
        "_paused",
        "_queue",
        "_request",
        "is_lingering",
        "last_active",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, handler: RequestHandler, now: Callable[[], float]) -> None:
        self._handler = handler
        self._now = now
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._queue: deque[HttpRequest] = deque()
        self._current: HttpRequest | None = None
        self._paused = False
        self._draining = False
        self._outgoing: list[bytes] = []
        self.is_lingering = False
        self.last_active = now()
        self.on_message_begin()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport. asyncio and uvloop set TCP_NODELAY on it."""
        self.transport = cast(asyncio.Transport, transport)
        self._handler.connection_opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - named by asyncio
        """Release everything. The parser and this object refer to each other, so the cycle is broken here."""
        self._parser = None
        self._queue.clear()
        self._handler.connection_lost(self)

    def data_received(self, data: bytes) -> None:
        """Parse the data, then answer the complete requests."""
        if self._parser is None:
            if self._queue and self._queue[-1].upgrade:
                self._queue[-1].tail += data
            return  # data after the last request of a connection is ignored
        self.last_active = self._now()
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stop_parsing()
            request = self._queue[-1]
            request.upgrade = True
            request.keep_alive = False
            request.tail = data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError:
            self._refuse(_BAD_REQUEST)
        else:
            if self._in_head and self._head_bytes > _MAX_UNPARSED_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)
        self._answer_queued()

    # httptools' side

    def on_message_begin(self) -> None:
        """Start a request."""
        self._request = HttpRequest(b"", [])
        self._in_head = True
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Add a piece of the request target."""
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. A client that expects `100 Continue` gets it at once."""
        self._request.headers.append((name, value))
        if len(name) == 6 and name.lower() == b"expect" and self._current is None and not self._queue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large. The body is still read, so that the client gets the answer."""
        request = self._request
        self._in_head = False
        self._head_bytes = 0
        if len(request.target) + sum(len(value) for _, value in request.headers) > MAX_HEAD_BYTES:
            request.refusal = _HEAD_TOO_LARGE
        if not request.target.startswith(b"/"):
            self._normalize_target(request)

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body, and refuse a body that is too large."""
        self._body_bytes += len(body)
        if self._body_bytes <= MAX_BODY_BYTES:
            self._body.append(body)
            return
        self._request.refusal = _BODY_TOO_LARGE
        self._body.clear()
        if self._body_bytes > _MAX_DISCARDED_BYTES:
            self.transport.abort()

    def on_message_complete(self) -> None:
        """Queue the complete request."""
        request = self._request
        parser = self._parser
        if parser is None:
            return
        request.method = parser.get_method()
        request.keep_alive = parser.should_keep_alive()
        body = self._body
        if body:
            request.body = body[0] if len(body) == 1 else b"".join(body)
            self._body = []
        self._queue.append(request)
        self._request = _NO_REQUEST  # an idle connection must not keep ten megabytes
        self._in_head = True

    # The handler's side

    @property
    def is_idle(self) -> bool:
        """Whether no request is waiting for its answer."""
        return self._current is None

    def respond(self, serialized: bytes) -> None:
        """Write the response to the current request, then handle the next one."""
        request = self._current
        if request is None or self.transport.is_closing():
            return
        self._current = None
        self.last_active = self._now()
        if not request.keep_alive:
            self._say_last(serialized)
            return
        self._outgoing.append(serialized)
        if not self._draining:
            self._answer_queued()

    def upgrade(self, serialized: bytes, successor: asyncio.Protocol) -> None:
        """Write the 101, and hand the transport and the request's `tail` to the next protocol."""
        tail = self._current.tail if self._current is not None else b""
        self._current = None
        self._handler.connection_lost(self)
        self._outgoing.append(serialized)
        self._flush()
        self.transport.set_protocol(successor)
        if tail:
            successor.data_received(tail)
        if self._paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Close the connection. An answer that is not written yet is lost."""
        self._stop_parsing()
        self.transport.close()

    def _say_last(self, serialized: bytes) -> None:
        """Write the last response, and read until the peer closes too.

        Closing with unread data resets the connection, and the peer may never see the response (RFC 9112,
        section 9.6).
        """
        self._stop_parsing()
        self._queue.clear()
        self.is_lingering = True
        self._outgoing.append(closing(serialized))
        self._flush()
        if not self.transport.is_closing():
            self.transport.write_eof()
        self._regulate_reading()

    def _answer_queued(self) -> None:
        self._draining = True
        while self._queue and self._current is None and not self.transport.is_closing():
            request = self._current = self._queue.popleft()
            if request.refusal is not None:
                request.keep_alive = False
                self.respond(request.refusal)
            else:
                self._handler.answer(request, self)
        self._draining = False
        self._flush()
        self._regulate_reading()

    def _flush(self) -> None:
        """Write all collected answers with one call."""
        if self._outgoing and not self.transport.is_closing():
            self.transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _regulate_reading(self) -> None:
        """Pause reading while too many requests are queued or an upgrade is pending, and resume it afterwards."""
        if self._parser is not None:
            hold = len(self._queue) > _MAX_QUEUED_REQUESTS
        else:  # data after an upgrade request is for the next protocol
            hold = bool(self._queue) or (self._current is not None and self._current.upgrade)
        if self.transport.is_closing() or hold == self._paused:
            return
        self._paused = hold
        if hold:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _normalize_target(self, request: HttpRequest) -> None:
        """Reduce a target in absolute form to path and query (RFC 9112, section 3.2.2). Refuse others, except `*`."""
        try:
            url = httptools.parse_url(request.target)
        except httptools.HttpParserInvalidURLError:
            request.refusal = request.refusal or (None if request.target == b"*" else _BAD_REQUEST)
        else:
            request.target = (url.path or b"/") + (b"?" + url.query if url.query else b"")

    def _refuse(self, serialized: bytes) -> None:
        """Queue a refusal of data that cannot be parsed, after earlier requests, and ignore all later data."""
        log.info("refused data that is not an HTTP request from %s", self.transport.get_extra_info("peername"))
        request = HttpRequest(b"", [])
        request.refusal = serialized
        self._queue.append(request)
        self._stop_parsing()

    def _stop_parsing(self) -> None:
        self._parser = None
