"""Gateways and APIs as the tests of this folder need them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from local.gateway.api import FunctionIntegration, MockIntegration, WebSocketApi, WebSocketRoute
from local.gateway.server import Gateway

Serve = Callable[..., Awaitable[Gateway]]


def websocket_api(**changes: WebSocketRoute | None) -> WebSocketApi:
    """An API with the usual routes; `changes` are by name without `$`, and None takes a route out."""
    routes = {
        "$connect": WebSocketRoute("$connect", FunctionIntegration("connect"), has_response=False),
        "$disconnect": WebSocketRoute("$disconnect", FunctionIntegration("disconnect"), has_response=False),
        "$default": WebSocketRoute("$default", FunctionIntegration("echo"), has_response=True),
        "one_way": WebSocketRoute("one_way", FunctionIntegration("echo"), has_response=False),
        "ping": WebSocketRoute("ping", MockIntegration('{"type":"pong"}'), has_response=True),
    }
    for name, route in changes.items():
        key = f"${name}" if f"${name}" in routes else name
        if route is None:
            del routes[key]
        else:
            routes[key] = route
    return WebSocketApi("abc123", "v1", "$request.body.action", routes)


def url(gateway: Gateway, path: str = "/v1") -> str:
    host, port = gateway.address
    return f"ws://{host}:{port}{path}"


@asynccontextmanager
async def raw_connection(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection for what no client library would send."""
    reader, writer = await asyncio.open_connection(*gateway.address)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@asynccontextmanager
async def raw_websocket(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket whose frames the test writes byte by byte."""
    async with raw_connection(gateway) as (reader, writer):
        writer.write(
            b"GET /v1 HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        yield reader, writer


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, with a mask of zeros."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, mask_bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, len(payload))
    return head + (bytes(4) if masked else b"") + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    """A server's frame: opcode, whether it is the last of its message, payload."""
    first, length = await reader.readexactly(2)
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    return first & 15, bool(first & 0x80), await reader.readexactly(length)


async def read_close(reader: asyncio.StreamReader) -> tuple[int, str]:
    """The close frame that comes next, behind which the server ends the TCP connection."""
    opcode, _, payload = await read_frame(reader)
    assert opcode == 8
    assert await reader.read() == b""
    return struct.unpack("!H", payload[:2])[0], payload[2:].decode()
