"""A queue that costs little, in front of an AWS emulator: `lean_aws.py PORT EMULATOR_PORT`.

Messages of SQS are taken, handed out and deleted here, in memory; every other call is passed on. So a measurement
shows what the functions and the gateway take, and not how fast the emulator's queue is. It knows delays and
visibility timeouts, but no dead letters, no attributes and no order.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httptools
import orjson
import uvloop

_SERVED = b"AmazonSQS."
_VISIBILITY_SECONDS = 180.0
_ids = itertools.count(1)

Json = dict[str, Any]


class Queue:
    """One queue's messages: those to be had, and those that were handed out."""

    def __init__(self) -> None:
        self._visible: deque[Json] = deque()
        self._hidden: dict[str, tuple[Json, asyncio.TimerHandle]] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    def send(self, body: str, delay_seconds: float) -> Json:
        """Take a message; it can be had after a delay."""
        message_id, digest = f"message-{next(_ids)}", hashlib.md5(body.encode()).hexdigest()
        message = {"MessageId": message_id, "Body": body, "MD5OfBody": digest, "receives": 0, "sent_at": time.time()}
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, self._show, message)
        else:
            self._show(message)
        return {"MessageId": message_id, "MD5OfMessageBody": digest}

    async def receive(self, most: int, wait_seconds: float) -> list[Json]:
        """Hand out messages, once there is one or the time is over."""
        if not self._visible and wait_seconds:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await asyncio.wait((waiting,), timeout=wait_seconds)
            if not waiting.done():
                self._waiting.remove(waiting)
        return [self._hand_out(self._visible.popleft()) for _ in range(min(most, len(self._visible)))]

    def delete(self, receipt: str) -> None:
        """Forget a message that was handed out."""
        if hidden := self._hidden.pop(receipt, None):
            hidden[1].cancel()

    def hide(self, receipt: str, seconds: float) -> None:
        """Show a message again after so many seconds."""
        if hidden := self._hidden.pop(receipt, None):
            hidden[1].cancel()
            self._hide(hidden[0], receipt, seconds)

    def _show(self, message: Json) -> None:
        self._visible.append(message)
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    def _hand_out(self, message: Json) -> Json:
        message["receives"] += 1
        receipt = f"{message['MessageId']}-{message['receives']}"
        self._hide(message, receipt, _VISIBILITY_SECONDS)
        sent_at = str(int(message["sent_at"] * 1000))
        attributes = {
            "ApproximateReceiveCount": str(message["receives"]),
            "SentTimestamp": sent_at,
            "ApproximateFirstReceiveTimestamp": sent_at,
            "SenderId": "benchmark",
        }
        shown = {name: message[name] for name in ("MessageId", "Body", "MD5OfBody")}
        return {**shown, "ReceiptHandle": receipt, "Attributes": attributes}

    def _hide(self, message: Json, receipt: str, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._show_again, message, receipt)
        self._hidden[receipt] = message, timer

    def _show_again(self, message: Json, receipt: str) -> None:
        del self._hidden[receipt]
        self._show(message)


class Queues:
    """The calls that are answered here, by name."""

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}
        self.calls: dict[bytes, Callable[[Queue, Json], Awaitable[Json]]] = {
            b"SendMessage": self._send,
            b"SendMessageBatch": self._send_batch,
            b"ReceiveMessage": self._receive,
            b"DeleteMessage": self._delete,
            b"DeleteMessageBatch": self._delete_batch,
            b"ChangeMessageVisibility": self._hide,
            b"ChangeMessageVisibilityBatch": self._hide_batch,
        }

    def find(self, request: Json) -> Queue:
        """Return the queue that a call is about."""
        return self._queues.setdefault(str(request["QueueUrl"]).rpartition("/")[2], Queue())

    async def _send(self, queue: Queue, request: Json) -> Json:
        return queue.send(request["MessageBody"], request.get("DelaySeconds", 0))

    async def _send_batch(self, queue: Queue, request: Json) -> Json:
        return {"Successful": [{"Id": each["Id"], **(await self._send(queue, each))} for each in request["Entries"]]}

    async def _receive(self, queue: Queue, request: Json) -> Json:
        messages = await queue.receive(request.get("MaxNumberOfMessages", 1), request.get("WaitTimeSeconds", 0))
        return {"Messages": messages} if messages else {}

    async def _delete(self, queue: Queue, request: Json) -> Json:
        queue.delete(request["ReceiptHandle"])
        return {}

    async def _delete_batch(self, queue: Queue, request: Json) -> Json:
        for each in request["Entries"]:
            queue.delete(each["ReceiptHandle"])
        return {"Successful": [{"Id": each["Id"]} for each in request["Entries"]]}

    async def _hide(self, queue: Queue, request: Json) -> Json:
        queue.hide(request["ReceiptHandle"], request["VisibilityTimeout"])
        return {}

    async def _hide_batch(self, queue: Queue, request: Json) -> Json:
        for each in request["Entries"]:
            queue.hide(each["ReceiptHandle"], each["VisibilityTimeout"])
        return {"Successful": [{"Id": each["Id"]} for each in request["Entries"]]}


class Server(asyncio.Protocol):
    """One connection: calls one after another, each answered here or by the emulator."""

    def __init__(self, queues: Queues, emulator_port: int) -> None:
        self._queues = queues
        self._emulator_port = emulator_port
        self._parser = httptools.HttpRequestParser(self)
        self._behind: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._raw = b""
        self._body = b""
        self._target = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Read on; clients wait for an answer before they call again."""
        self._raw += data
        self._parser.feed_data(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Let go of the emulator."""
        if self._task:
            self._task.cancel()
        if self._behind:
            self._behind[1].close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note which call it is."""
        match name.lower():
            case b"x-amz-target":
                self._target = value
            case b"expect":
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Gather the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the call, or pass it on."""
        raw, body, target = self._raw, self._body, self._target
        self._raw = self._body = self._target = b""
        call = self._queues.calls.get(target.removeprefix(_SERVED)) if target.startswith(_SERVED) else None
        self._task = asyncio.ensure_future(self._answer(call, orjson.loads(body)) if call else self._pass_on(raw))

    async def _answer(self, call: Callable[[Queue, Json], Awaitable[Json]], request: Json) -> None:
        body = orjson.dumps(await call(self._queues.find(request), request))
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    async def _pass_on(self, raw: bytes) -> None:
        """Copy a call to the emulator, and what comes back."""
        if self._behind is None:
            self._behind = await asyncio.open_connection("127.0.0.1", self._emulator_port)
            self._copying = asyncio.ensure_future(self._copy_back(self._behind[0]))
        self._behind[1].write(raw)

    async def _copy_back(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self._transport.write(data)
        self._transport.close()


async def main(port: int, emulator_port: int) -> None:
    """Serve until terminated."""
    queues, loop = Queues(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(queues, emulator_port), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
