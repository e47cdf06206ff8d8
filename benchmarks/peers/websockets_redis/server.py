"""A bare server of the `websockets` library: answers from Redis; a list in Redis is the queue of what is not there."""

import asyncio
import json
import os
import uuid
from collections import defaultdict
from contextlib import suppress

import redis.asyncio as redis
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

URL, PORT = os.environ["REDIS_URL"], int(os.environ["PORT"])
ME = uuid.uuid4().hex
connections: dict[str, ServerConnection] = {}
topics: dict[str, set[ServerConnection]] = defaultdict(set)
pool = redis.BlockingConnectionPool.from_url(URL, decode_responses=True, max_connections=20, timeout=None)
client = redis.Redis(connection_pool=pool)


async def handle(socket: ServerConnection) -> None:
    me = uuid.uuid4().hex
    connections[me] = socket
    try:
        async for text in socket:
            message = json.loads(text)
            if message["action"] == "request":
                await answer(socket, me, message["id"], message["key"])
            else:
                topics[message["topic"]].add(socket)
                await socket.send(json.dumps({"subscribed": message["topic"]}))
    finally:
        del connections[me]
        for subscribers in topics.values():
            subscribers.discard(socket)


async def answer(socket: ServerConnection, me: str, request_id: str, key: str) -> None:
    value = await client.get(key)
    if value is None:
        await client.lpush("jobs", json.dumps([ME, me, request_id, key]))
    else:
        await socket.send(json.dumps({"id": request_id, "data": json.loads(value)}))


async def listen() -> None:
    """Send what is published to those here whom it concerns."""
    subscription = client.pubsub()
    await subscription.subscribe(f"results:{ME}")
    await subscription.psubscribe("topic:*")
    async for message in subscription.listen():
        if message["type"] == "message":
            result = json.loads(message["data"])
            if socket := connections.get(result.pop("connection")):
                with suppress(ConnectionClosed):
                    await socket.send(json.dumps(result))
        elif message["type"] == "pmessage":
            broadcast(topics[message["channel"].removeprefix("topic:")], message["data"])


async def take_posts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Publish what is posted: as much HTTP as that takes."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
            topic = head.partition("/publish/")[2].partition(" ")[0]
            await client.publish(f"topic:{topic}", body)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except asyncio.IncompleteReadError:
        writer.close()


async def main() -> None:
    listening = asyncio.create_task(listen())
    posts = await asyncio.start_server(take_posts, "127.0.0.1", int(os.environ["PUBLISH_PORT"]))
    async with posts, serve(handle, "127.0.0.1", PORT, compression=None, backlog=4096):
        await listening


uvloop.run(main())
