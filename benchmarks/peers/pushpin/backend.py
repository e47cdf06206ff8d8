"""The server behind Pushpin: WebSocket-over-HTTP, and GRIP to subscribe.

https://pushpin.org/docs/protocols/websocket-over-http/ and https://pushpin.org/docs/protocols/grip/
"""

# What it imports is installed where it is measured only.
# mypy: disable-error-code="import-not-found"

import json
import os
from collections.abc import Iterator

import redis.asyncio as redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

URL = os.environ["REDIS_URL"]
pool = redis.BlockingConnectionPool.from_url(URL, decode_responses=True, max_connections=20, timeout=None)
client = redis.Redis(connection_pool=pool)


def read_events(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    while body:
        head, _, body = body.partition(b"\r\n")
        name, _, size = head.partition(b" ")
        content = body[: int(size, 16)] if size else b""
        body = body[len(content) + 2 :] if size else body
        yield name, content


def text(message: str) -> bytes:
    content = message.encode()
    return b"TEXT %x\r\n%b\r\n" % (len(content), content)


async def answer(content: bytes) -> bytes:
    message = json.loads(content)
    if message["action"] == "request":
        value = await client.get(message["key"])
        return text(json.dumps({"id": message["id"], "data": json.loads(value or "null")}))
    subscribe = json.dumps({"type": "subscribe", "channel": message["topic"]})
    return text(f"c:{subscribe}") + text(json.dumps({"subscribed": message["topic"]}))


async def handle(request: Request) -> Response:
    headers, answers = {"Content-Type": "application/websocket-events"}, []
    for name, content in read_events(await request.body()):
        match name:
            case b"OPEN":
                headers["Sec-WebSocket-Extensions"] = 'grip; message-prefix=""'
                answers.append(b"OPEN\r\n")
            case b"TEXT":
                answers.append(await answer(content))
            case b"CLOSE" | b"DISCONNECT":
                answers.append(name + b"\r\n")
    return Response(b"".join(answers), headers=headers)


app = Starlette(routes=[Route("/ws", handle, methods=["POST"])])
