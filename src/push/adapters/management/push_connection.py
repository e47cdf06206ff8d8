"""An HTTP connection that carries pushes, one at a time."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from push.delivery.ports import Series


class Work:
    """A series that is being pushed; `tries` counts the HTTP connections that died under its current frame."""

    __slots__ = ("connection_id", "delivered", "frames", "index", "tries")

    def __init__(self, index: int, series: Series) -> None:
        self.index = index
        self.connection_id = series.connection_id
        self.frames = series.frames
        self.delivered = 0
        self.tries = 0


class PushRun(Protocol):
    """The user of a connection, which calls it with the outcome of each push."""

    def answered(self, connection: PushConnection, status: int) -> None:
        """Handle the answer to a connection's push."""

    def lost(self, connection: PushConnection) -> None:
        """Handle a connection that ended before its push was answered."""


class PushConnection(asyncio.Protocol):
    """An HTTP/1.1 connection that carries one request at a time, for one run at a time."""

    __slots__ = ("_parser", "_transport", "is_open", "run", "sent_at", "since", "work")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.is_open = False
        self.run: PushRun | None = None
        self.work: Work | None = None
        self.sent_at = 0.0
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # create_connection makes no other kind
        self.is_open = True

    def write(self, request: bytes) -> None:
        """Send a whole request."""
        assert self._transport is not None  # noqa: S101 - set when the connection was made
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Handle a part of an answer; an answer that is not HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
            self._lose()

    def on_message_complete(self) -> None:
        """Handle a complete answer."""
        if not self._parser.should_keep_alive():
            self.abort()
        if self.run is not None:
            self.run.answered(self, self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See `asyncio.Protocol`."""
        self.is_open = False
        self._lose()

    def _lose(self) -> None:
        if self.run is not None and self.work is not None:
            self.run.lost(self)

    def abort(self) -> None:
        """Close at once, without sending buffered data."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()
