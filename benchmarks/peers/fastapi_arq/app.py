"""FastAPI: answers from Redis; what is not there is computed by a worker of arq, whose result comes by publish."""

# What it imports is installed where it is measured only.
# mypy: disable-error-code="import-not-found,untyped-decorator,misc"

import asyncio
import json
import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis.asyncio as redis
from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

URL = os.environ["REDIS_URL"]
ME = uuid.uuid4().hex
connections: dict[str, WebSocket] = {}
topics: dict[str, set[WebSocket]] = defaultdict(set)


async def listen(client: Any) -> None:  # noqa: ANN401
    """Send what is published to those here whom it concerns."""
    subscription = client.pubsub()
    await subscription.subscribe(f"results:{ME}")
    await subscription.psubscribe("topic:*")
    async for message in subscription.listen():
        if message["type"] == "message":
            result = json.loads(message["data"])
            if socket := connections.get(result.pop("connection")):
                await send(socket, json.dumps(result))
        elif message["type"] == "pmessage":
            for socket in list(topics[message["channel"].removeprefix("topic:")]):
                await send(socket, message["data"])


async def send(socket: WebSocket, text: str) -> None:
    """Send to who may have left meanwhile."""
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_text(text)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # A pool that waits: redis-py's own raises an error when more clients ask than it has connections.
    pool = redis.BlockingConnectionPool.from_url(URL, decode_responses=True, max_connections=20, timeout=None)
    app.state.redis = redis.Redis(connection_pool=pool)
    app.state.queue = await create_pool(RedisSettings.from_dsn(URL))
    app.state.queue.connection_pool.max_connections = 1000  # the same of arq's, which has no setting for it
    listening = asyncio.create_task(listen(app.state.redis))
    yield
    listening.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws")
async def serve(socket: WebSocket) -> None:
    await socket.accept()
    me = uuid.uuid4().hex
    connections[me] = socket
    try:
        while True:
            message = await socket.receive_json()
            if message["action"] == "request":
                await answer(socket, me, message["id"], message["key"])
            else:
                topics[message["topic"]].add(socket)
                await socket.send_json({"subscribed": message["topic"]})
    except WebSocketDisconnect:
        pass
    finally:
        del connections[me]
        for subscribers in topics.values():
            subscribers.discard(socket)


async def answer(socket: WebSocket, me: str, request_id: str, key: str) -> None:
    value = await app.state.redis.get(key)
    if value is None:
        await app.state.queue.enqueue_job("compute", ME, me, request_id, key)
    elif "SPLICE" in os.environ:
        # Not how anybody begins, but what is faster for large documents: JSON put into JSON as it is.
        await socket.send_text(f'{{"id":{json.dumps(request_id)},"data":{value}}}')
    else:
        await socket.send_json({"id": request_id, "data": json.loads(value)})


@app.post("/publish/{topic}")
async def publish(topic: str, message: dict[str, Any]) -> dict[str, bool]:
    await app.state.redis.publish(f"topic:{topic}", json.dumps(message, separators=(",", ":")))
    return {"ok": True}
