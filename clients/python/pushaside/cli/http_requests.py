"""HTTP/1.1 requests read from a stream: as much of RFC 9112 as those who post webhooks need."""

from __future__ import annotations

import asyncio
import http.client
import io
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

HEAD_BYTES = 64 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class RequestRefusedError(Exception):
    """What came is no request, or one that is not taken; `status` is what to answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_body_bytes: int
) -> HttpRequest | None:
    """Read a request; None if the peer has hung up instead. The reader's limit bounds its head.

    Raises:
        RequestRefusedError: it is none, or its body is larger than is taken.

    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as exc:
        raise RequestRefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from exc
    line, _, rest = head.partition(b"\r\n")
    method, target, version = _read_line(line)
    headers = _read_headers(rest)
    if version == "HTTP/1.1" and headers.get("expect", "").lower() == "100-continue":
        writer.write(_CONTINUE)
    try:
        body = await _read_body(reader, headers, max_body_bytes)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as exc:
        raise RequestRefusedError(HTTPStatus.BAD_REQUEST) from exc
    return HttpRequest(method, target, headers, body)


async def answer(writer: asyncio.StreamWriter, status: HTTPStatus) -> None:
    """Answer with a status alone, and say that the connection ends."""
    length = "" if status is HTTPStatus.NO_CONTENT else "Content-Length: 0\r\n"
    writer.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{length}Connection: close\r\n\r\n".encode())
    await writer.drain()


def _read_line(line: bytes) -> list[str]:
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise RequestRefusedError(HTTPStatus.BAD_REQUEST)
    return words


def _read_headers(text: bytes) -> dict[str, str]:
    try:
        message = http.client.parse_headers(io.BytesIO(text))
    except http.client.HTTPException as exc:
        raise RequestRefusedError(HTTPStatus.BAD_REQUEST) from exc
    return {name.lower(): value.strip() for name, value in message.items()}


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str], max_bytes: int) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _read_chunks(reader, max_bytes)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise RequestRefusedError(HTTPStatus.BAD_REQUEST)
    if int(length) > max_bytes:
        raise RequestRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader, max_bytes: int) -> bytes:
    """Read a body in chunks (RFC 9112, 7.1); trailers are passed over."""
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        if size < 0 or len(body) + size > max_bytes:
            raise RequestRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)
