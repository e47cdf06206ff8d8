"""HTTP/1.1 requests from a stream, parsed by h11, and the short answers to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import h11

HEAD_BYTES = 64 * 1024

_READ_BYTES = 4 * 1024
"""h11 checks the bound of a head between two reads, so a head may exceed it by this much."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. Header names are in lower case."""

    method: str
    headers: Mapping[str, str]
    body: bytes


class RequestRefusedError(Exception):
    """The bytes are no request, or one that is not accepted; `status` is the answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class HttpExchange:
    """One request and its answer on a connection, which then ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_body_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._max_body_bytes = max_body_bytes
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)

    async def read(self) -> HttpRequest | None:
        """Read the request; None if the sender closes the connection instead.

        Raises:
            RequestRefusedError: the bytes are no request, or its body is too large.

        """
        try:
            head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            body = await self._read_body(head)
        except h11.RemoteProtocolError as exc:
            raise RequestRefusedError(HTTPStatus(exc.error_status_hint)) from exc
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        return HttpRequest(head.method.decode("latin-1"), headers, body)

    async def answer(self, status: HTTPStatus) -> None:
        """Answer with a status alone, and announce the end of the connection."""
        length = [] if status is HTTPStatus.NO_CONTENT else [("Content-Length", "0")]
        headers = [*length, ("Connection", "close")]
        response = h11.Response(status_code=status.value, reason=status.phrase.encode(), headers=headers)
        self._send(response)
        self._send(h11.EndOfMessage())
        await self._writer.drain()

    def close(self) -> None:
        """Close the connection once the answer is sent."""
        self._writer.close()

    async def _read_body(self, head: h11.Request) -> bytes:
        if int(dict(head.headers).get(b"content-length", b"0")) > self._max_body_bytes:
            raise RequestRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if self._protocol.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, reason=b"Continue", headers=[]))
        body = bytearray()
        while isinstance(data := await self._next_event(), h11.Data):
            body += data.data
            if len(body) > self._max_body_bytes:
                raise RequestRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return bytes(body)

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            self._protocol.receive_data(await self._reader.read(_READ_BYTES))
        return event

    def _send(self, event: h11.Event) -> None:
        self._writer.write(self._protocol.send(event) or b"")
