"""The process of the embedded AWS: `python -m local.embedded.aws_server LIFELINE_FD LISTENER_FD CHANGES_FD`.

The process serves MiniStack's ASGI application on the inherited listener. It writes a line to the changes socket for
every request that gives a queue, a table or a stream something to poll, changes an object in a bucket, or sends to an
event bus or a topic.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import uvloop
from ministack.app import app as ministack_app

from local.embedded.asgi_server import Message, Receive, Send, serve
from local.embedded.child_processes import end_with_parent

_QUEUE_WRITES = (b"AmazonSQS.SendMessage", b"AmazonSQS.ChangeMessageVisibility")
_TABLE_WRITES = (
    *(b"DynamoDB_20120810." + name for name in (b"PutItem", b"UpdateItem", b"DeleteItem")),
    *(b"DynamoDB_20120810." + name for name in (b"BatchWriteItem", b"TransactWriteItems")),
)
_STREAM_WRITES = (b"Kinesis_20131202.PutRecord",)
_BUS_WRITES = (b"AWSEvents.PutEvents",)
_OBJECT_WRITES = {"PUT", "POST", "DELETE"}
_DEFAULT_BUS = "default"
_MAXIMUM_PUBLISH_BYTES = 400_000
"""The most that a call of SNS has, percent-encoding included; other forms are not read."""


class ChangeNotifier:
    """An ASGI application that wraps another and announces what its writes give others to read."""

    def __init__(self, application: Callable[..., Awaitable[None]], changes: socket.socket) -> None:
        self._application = application
        self._changes = changes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request through; after a write, announce the change."""
        target = _header(scope, b"x-amz-target")
        if bucket := _written_bucket(scope):
            await self._application(scope, receive, send)
            self._tell(iter((f"{bucket} 0", f"{_DEFAULT_BUS} 0")))  # where a bucket's events go
            return
        writes = _QUEUE_WRITES + _TABLE_WRITES + _STREAM_WRITES + _BUS_WRITES
        if not target.startswith(writes) and not _is_call_of_sns(scope):
            await self._application(scope, receive, send)
            return
        body = bytearray()

        async def receive_and_note() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self._application(scope, receive_and_note, send)
        self._tell(_changes(target, bytes(body)))

    def _tell(self, changes: Iterator[str]) -> None:
        lines = "\n".join(changes)
        # A full socket means that the runtime has many changes to read, and it also polls now and then by itself.
        with contextlib.suppress(BlockingIOError):
            if lines:
                self._changes.send(lines.encode())


def _header(scope: Message, wanted: bytes) -> bytes:
    if scope["type"] != "http":
        return b""
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _written_bucket(scope: Message) -> str:
    """Return the bucket of a write to S3, or an empty string for any other call.

    The bucket is the first part of the path. No header names S3's calls, so the service in the signature's scope
    identifies them.
    """
    if scope["type"] != "http" or scope["method"] not in _OBJECT_WRITES:
        return ""
    is_s3 = b"/s3/aws4_request" in _header(scope, b"authorization") + scope["query_string"].replace(b"%2F", b"/")
    bucket: str = scope["path"].split("/")[1] if is_s3 else ""
    return bucket


def _changes(target: bytes, body: bytes) -> Iterator[str]:
    """Yield `NAME SECONDS` for each queue, table or stream that has something to read after so many seconds.

    For a bus or a topic, the queues that it sends to have something to read.
    """
    if not target:
        yield from (f"{topic} 0" for topic in _topics(body))
        return
    if target.startswith(_STREAM_WRITES):
        call = json.loads(body)
        yield f"{call.get('StreamName') or call['StreamARN'].rpartition('/')[2]} 0"
        return
    if target.startswith(_BUS_WRITES):
        yield from (f"{bus} 0" for bus in _buses(json.loads(body)))
        return
    if target.startswith(_TABLE_WRITES):
        yield from (f"{table} 0" for table in _tables(json.loads(body)))
        return
    call = json.loads(body)
    queue = call["QueueUrl"].rpartition("/")[2]
    delays = {_delay(entry) for entry in call.get("Entries", [call])}
    yield from (f"{queue} {delay}" for delay in delays)


def _is_call_of_sns(scope: Message) -> bool:
    """Return whether a call is one of SNS, which names its operation in the body."""
    return b"/sns/aws4_request" in _header(scope, b"authorization")


def _topics(body: bytes) -> Iterator[str]:
    """Yield the name of the topic that a call of SNS publishes to."""
    fields = parse_qs(body.decode()) if len(body) <= _MAXIMUM_PUBLISH_BYTES else {}
    if fields.get("Action", [""])[0].startswith("Publish"):
        yield from (arn.rpartition(":")[2] for arn in fields.get("TopicArn", ()))


def _buses(call: dict[str, Any]) -> set[str]:
    names = [entry.get("EventBusName") or _DEFAULT_BUS for entry in call.get("Entries", ())]
    return {name.rpartition("event-bus/")[2] for name in names}


def _delay(entry: dict[str, Any]) -> int:
    return int(entry.get("DelaySeconds", entry.get("VisibilityTimeout", 0)))


def _tables(call: dict[str, Any]) -> set[str]:
    """Return the tables of a single, batched or transacted write."""
    operations = [operation for item in call.get("TransactItems", ()) for operation in item.values()]
    named = {each["TableName"] for each in (call, *operations) if "TableName" in each}
    return named | set(call.get("RequestItems", ()))


def main(arguments: list[str]) -> None:
    """Serve until the runtime ends or sends SIGTERM."""
    lifeline, listener, changes = map(int, arguments)
    end_with_parent(socket.socket(fileno=lifeline))
    change_socket = socket.socket(fileno=changes)
    change_socket.settimeout(0)
    uvloop.run(serve(ChangeNotifier(ministack_app, change_socket), socket.socket(fileno=listener)))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        main(sys.argv[1:])
