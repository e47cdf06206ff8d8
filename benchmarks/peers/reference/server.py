"""No peer, but the most that the generator can do: answers made once, sent by a bare protocol without Redis."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import cast

import uvloop

KEY = re.compile(rb'"id":"([^"]*)","key":"([^"]*)"')
CONTENTS: dict[bytes, bytes] = {}
SUBSCRIBERS: set[Answering] = set()
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Answering(asyncio.Protocol):
    """Serves WebSockets, and takes what is published by POST, on one port."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.rest = b""
        self.is_open = False

    def connection_lost(self, _exc: Exception | None) -> None:
        SUBSCRIBERS.discard(self)

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        if self.is_open:
            self.rest = self.answer_all(data)
        elif data.startswith(b"POST"):
            self.rest = self.publish(data)
        elif data.endswith(b"\r\n\r\n"):
            self.rest, self.is_open = b"", True
            key = data.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
        else:
            self.rest = data

    def publish(self, data: bytes) -> bytes:
        head, _, body = data.partition(b"\r\n\r\n")
        if len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or len(data)):
            return data
        message = make_frame(body)
        for subscriber in SUBSCRIBERS:
            subscriber.transport.write(message)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return b""

    def answer_all(self, data: bytes) -> bytes:
        """Answer the generator's messages: short, and masked with zeros."""
        while len(data) >= 6 and len(data) >= (end := 6 + (data[1] & 0x7F)):
            self.answer(data[6:end])
            data = data[end:]
        return data

    def answer(self, message: bytes) -> None:
        if found := KEY.search(message):
            self.transport.write(make_frame(b'{"id":"%b","data":%b}' % (found[1], CONTENTS[found[2]])))
        else:
            SUBSCRIBERS.add(self)
            self.transport.write(make_frame(b"{}"))


def make_frame(payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 65536:
        return bytes((0x81, 126)) + length.to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + length.to_bytes(8, "big") + payload


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(
        Answering, "127.0.0.1", int(os.environ["PORT"]), backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    CONTENTS.update((key.encode(), value.encode()) for key, value in json.loads(Path(sys.argv[1]).read_text()).items())
    uvloop.run(main())
