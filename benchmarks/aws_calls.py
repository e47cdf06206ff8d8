"""Measure calls of AWS services with our own client and with boto3, against a bare server on loopback.

The figures are microseconds of CPU of the calling process per call: median of the rounds, minimum and maximum. The
calls are those of the hot paths: send a job to a queue, record a connection, read a request's row, get and read a
document of 20 KB, put a result of 200 KB, sign a link.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httptools

from benchmarks._measuring import Batch, measure_in_turn, print_table, repeat
from push.adapters.aws.clients import make_client

ROW = {"request": {"S": "acme/1"}, "state": {"S": "accepted"}, "expires_at": {"N": "1790000000"}}
JOB = '{"kind":"request","tenant":"public","compute":"documents","params":{"collection":"airports","ids":["TX"]}}'
CALLS: dict[str, tuple[str, str, dict[str, Any], bytes]] = {
    "send a job": (
        "sqs",
        "send_message_batch",
        {"QueueUrl": "http://127.0.0.1/1/queue", "Entries": [{"Id": "0", "MessageBody": JOB, "DelaySeconds": 0}]},
        b'{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"%b"}]}',
    ),
    "record a connection": ("dynamodb", "put_item", {"TableName": "connections", "Item": ROW}, b"{}"),
    "read a row": (
        "dynamodb",
        "get_item",
        {"TableName": "requests", "Key": {"request": {"S": "acme/1"}}},
        b'{"Item":{"request":{"S":"acme/1"},"state":{"S":"accepted"},"expires_at":{"N":"1790000000"}}}',
    ),
}
OBJECT = {"Bucket": "storage", "Key": "documents/public/airports/TX.json"}
DOCUMENT, RESULT = bytes(20_000), bytes(200_000)
MD5_OF_JOB = hashlib.md5(JOB.encode(), usedforsecurity=False).hexdigest().encode()
"""botocore checks it."""


class Answering(asyncio.Protocol):
    """A server that answers every call as its service would."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        """Start a request. Its answer is S3's unless a header names an operation."""
        self._answer = DOCUMENT

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Find out which call it is."""
        if name.lower() == b"x-amz-target":
            operation = value.rpartition(b".")[2].lower()
            answers = {call[1].replace("_", "").encode(): call[3] for call in CALLS.values()}
            self._answer = answers[operation].replace(b"%b", MD5_OF_JOB)

    def on_message_complete(self) -> None:
        """Answer the request."""
        if self._parser.get_method() == b"PUT":
            self._answer = b""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(self._answer) + self._answer)


def serve(port_out: Connection) -> None:
    """Serve until the process ends."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        port_out.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def prepare(endpoint: str) -> dict[str, list[Batch]]:
    """Return the functions that make each call, by client."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    prepared = {}
    for kind in ("lean", "boto3"):
        os.environ["AWS_CLIENTS"] = kind
        make_client.cache_clear()
        prepared[kind] = [
            repeat(partial(getattr(make_client(service), operation), **parameters))
            for service, operation, parameters, _ in CALLS.values()
        ]
        prepared[kind] += [repeat(call) for call in object_calls(make_client("s3")).values()]
    return prepared


def object_calls(s3: Any) -> dict[str, Callable[[], object]]:  # noqa: ANN401 - either client
    """Return the S3 calls."""
    return {
        "get a document": lambda: s3.get_object(**OBJECT)["Body"].read(),
        "put a result": lambda: s3.put_object(**OBJECT, Body=RESULT, ContentType="application/json"),
        "sign a link": lambda: s3.generate_presigned_url("get_object", Params=OBJECT, ExpiresIn=300),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    port_in, port_out = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port_out,), daemon=True)
    server.start()
    try:
        prepared = prepare(f"http://127.0.0.1:{port_in.recv()}")
        figures = measure_in_turn([batch for batches in prepared.values() for batch in batches], rounds=options.rounds)
    finally:
        server.terminate()
        server.join()
    names = (*CALLS, *object_calls(None))
    width = len(names)
    rows = [(kind, *figures[at * width :][:width]) for at, kind in enumerate(prepared)]
    print_table(("us of CPU per call", *names), rows)


if __name__ == "__main__":
    main()
