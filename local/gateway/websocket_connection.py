"""One open WebSocket: it turns frames into complete text messages, and messages into frames.

websockets' `ServerProtocol` implements the protocol (RFC 6455) without I/O; `text_frames` handles the most frequent
frames. An idle connection has no task, timer or buffer, because ten thousand connections may be open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol, cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from local.gateway.api import Limits
from local.gateway.outgoing import OutgoingWrites
from local.gateway.text_frames import read_text_frames, write_text_frame

NO_STATUS_REASON: Final = "Client-side close frame status not set"
NORMAL_REASON: Final = "Connection Closed Normally"
GOING_AWAY_REASON: Final = "Going away"
# API Gateway's reason for a connection without a close frame is not documented; the code 1006 is RFC 6455's.
ABNORMAL_REASON: Final = "Connection Closed Abnormally"

_protocol_log = logging.getLogger(f"{__name__}.protocol")
_protocol_log.setLevel(logging.WARNING)  # at lower levels it logs the opening and closing of every connection


class ConnectionEvents(Protocol):
    """The events that a connection reports to its API."""

    def message_received(self, connection: WebSocketConnection, text: str) -> None:
        """Handle one complete message."""

    def connection_ended(self, connection: WebSocketConnection, code: int, reason: str) -> None:
        """Handle the end of the WebSocket, once. The TCP connection may end a little later."""

    def connection_lost(self, connection: WebSocketConnection) -> None:
        """Handle the end of the TCP connection."""


class WebSocketConnection(asyncio.Protocol):
    """An open WebSocket under API Gateway's rules: text only, with limited sizes of frames and messages.

    `context` is the constant part of its events (see `websocket_events`). Times are those of the clock `now`.
    """

    __slots__ = (
        "_ended",
        "_events",
        "_fragments",
        "_is_between_messages",
        "_limits",
        "_now",
        "_outgoing",
        "_pending_bytes",
        "_protocol",
        "connection_id",
        "context",
        "last_active",
        "opened_at",
        "transport",
    )

    def __init__(
        self,
        connection_id: str,
        context: bytes,
        transport: asyncio.Transport,
        events: ConnectionEvents,
        limits: Limits,
        *,
        outgoing: OutgoingWrites,
        now: Callable[[], float],
    ) -> None:
        self.connection_id = connection_id
        self.context = context
        self.transport = transport
        self.opened_at = self.last_active = now()
        self._events = events
        self._limits = limits
        self._now = now
        self._outgoing = outgoing
        self._pending_bytes = 0
        self._fragments: bytearray | None = None
        self._ended = False
        self._is_between_messages = True
        self._protocol = ServerProtocol(
            state=OPEN, max_size=(limits.message_bytes, limits.frame_bytes), logger=_protocol_log
        )

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Handle data: any number of frames, and perhaps a part of one."""
        if self._is_between_messages:
            messages, data = read_text_frames(data, self._limits.frame_bytes)
            for message in messages:
                self._whole_message(message)
        if data:
            self._receive_by_protocol(data)
        if self._protocol.writes:
            self.flush()

    def _receive_by_protocol(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for frame in protocol.events_received():
            if not self._ended:
                self._frame_received(cast(Frame, frame))
        if protocol.parser_exc is not None and not self._ended:
            self._parser_failed(protocol.parser_exc)
        self._is_between_messages = not protocol.reader.buffer and self._fragments is None and not self._ended

    def eof_received(self) -> None:
        """Note that the client left without a close frame. The transport then closes itself."""
        self._protocol.receive_eof()
        self._end(CloseCode.ABNORMAL_CLOSURE, ABNORMAL_REASON)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - named by asyncio
        """Note the end of the TCP connection."""
        self._end(CloseCode.ABNORMAL_CLOSURE, ABNORMAL_REASON)
        self._events.connection_lost(self)

    def pause_writing(self) -> None:
        """Pause reading from a client that does not read its answers."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # The API's side

    def send(self, message: bytes) -> bool:
        """Send a text message (UTF-8) in frames of the allowed size. Return False if the WebSocket has ended."""
        protocol = self._protocol
        if protocol.state is not OPEN or self.transport.is_closing():
            return False
        self.last_active = self._now()
        limit = self._limits.frame_bytes
        if not protocol.writes:
            self._outgoing.add(self)
        self._pending_bytes += len(message)
        if len(message) <= limit:
            protocol.writes.append(write_text_frame(message))
        else:
            protocol.send_text(message[:limit], fin=False)
            for start in range(limit, len(message), limit):
                protocol.send_continuation(message[start : start + limit], fin=start + limit >= len(message))
        return True

    @property
    def waiting_bytes(self) -> int:
        """The bytes sent that the system has not accepted yet, because the client does not read."""
        return self.transport.get_write_buffer_size() + self._pending_bytes

    def close(self, code: CloseCode, reason: str) -> None:
        """Close from this side. `connection_ended` is called at once."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self.flush()
        self._end(code, reason)

    def flush(self) -> None:
        """Write the protocol's pending data."""
        self._pending_bytes = 0
        writes = self._protocol.data_to_send()
        transport = self.transport
        if not writes or transport.is_closing():
            return
        if len(writes) == 1 and writes[0]:
            transport.write(writes[0])
            return
        transport.write(b"".join(writes))
        if writes[-1] == b"" and not transport.is_closing():  # the protocol marks the end of the stream so
            transport.write_eof()

    def abort(self) -> None:
        """Abort the TCP connection."""
        self.transport.abort()

    # Frames

    def _frame_received(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT:
            if frame.fin:
                self._whole_message(frame.data)
            else:
                self.last_active = self._now()
                self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT:
            self._continued(frame)
        elif opcode is Opcode.BINARY:
            self._fail(CloseCode.UNSUPPORTED_DATA, "Binary messages are not supported")
        elif opcode is Opcode.CLOSE:
            self._closed(cast(Close, self._protocol.close_rcvd))
        # The protocol answers pings. Pings and pongs do not count as activity: API Gateway does not document that they
        # do, and a client that relied on it might be closed there.

    def _whole_message(self, data: bytes | bytearray | memoryview) -> None:
        if not self._ended:
            self.last_active = self._now()
            self._message(data)

    def _continued(self, frame: Frame) -> None:
        self.last_active = self._now()
        fragments = cast(bytearray, self._fragments)
        fragments += frame.data
        if frame.fin:
            self._fragments = None
            self._message(fragments)

    def _message(self, data: bytes | bytearray | memoryview) -> None:
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "The message is not UTF-8")
        else:
            self._events.message_received(self, text)

    def _closed(self, close: Close) -> None:
        if close.code == CloseCode.NO_STATUS_RCVD:
            self._end(close.code, NO_STATUS_REASON)
        elif close.code == CloseCode.NORMAL_CLOSURE:
            self._end(close.code, close.reason or NORMAL_REASON)
        elif close.code == CloseCode.GOING_AWAY:
            self._end(close.code, close.reason or GOING_AWAY_REASON)
        else:
            self._end(close.code, close.reason)

    def _parser_failed(self, error: Exception) -> None:
        """End with the close code that the protocol sent for an invalid frame."""
        sent = self._protocol.close_sent
        code = sent.code if sent is not None else CloseCode.ABNORMAL_CLOSURE
        self._end(code, "Message too big" if isinstance(error, PayloadTooBig) else str(error))

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._protocol.fail(code, reason)
        self._end(code, reason)

    def _end(self, code: int, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._fragments = None
            self._events.connection_ended(self, code, reason)
