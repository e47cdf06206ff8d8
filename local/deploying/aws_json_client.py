"""A lean client of the AWS JSON protocols, for the event-source pollers.

The pollers make nearly all calls of the runtime. boto3 takes about 0.7 ms of CPU for a call and blocks a thread; this
client takes about 0.1 ms and blocks none. It is for an emulator on this machine: requests name credentials, which
emulators require, but are not signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from local.deploying.aws_clients import ACCESS_KEY_ID
from local.embedded.aws_process import REGION

_TARGETS = {
    "sqs": (b"AmazonSQS.", b"1.0"),
    "dynamodb": (b"DynamoDBStreams_20120810.", b"1.0"),
    "kinesis": (b"Kinesis_20131202.", b"1.1"),
}
_MAXIMUM_HEAD_BYTES = 64 * 1024


class AwsCallError(Exception):
    """An error answer of an AWS API; `code` is the name of its exception."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class AwsJsonClient:
    """Calls SQS, DynamoDB Streams and Kinesis over persistent connections, any number of calls at once."""

    def __init__(self, endpoint_url: str) -> None:
        parts = urlsplit(endpoint_url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._idle: list[_Connection] = []

    async def call(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call and return its answer.

        Raises AwsCallError if the service answers with an error, OSError if it is unreachable.
        """
        head = _head(service, operation, self._host, self._port)
        body = orjson.dumps(request)
        message = b"%b%d\r\n\r\n%b" % (head, len(body), body)
        status, payload = await self._exchange(message)
        answer: dict[str, Any] = orjson.loads(payload) if payload else {}
        if status != 200:
            raise AwsCallError(str(answer.get("__type", status)).rpartition("#")[2], str(answer.get("message", "")))
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _exchange(self, message: bytes) -> tuple[int, bytes]:
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._use(connection, message)
            except (ConnectionError, asyncio.IncompleteReadError):
                continue  # the server closed it while it was idle
        return await self._use(await _Connection.open(self._host, self._port), message)

    async def _use(self, connection: _Connection, message: bytes) -> tuple[int, bytes]:
        try:
            status, payload = await connection.exchange(message)
        except BaseException:  # on a cancellation too: the next call would read this answer
            connection.close()
            raise
        self._idle.append(connection)
        return status, payload


class _Connection:
    """One HTTP/1.1 connection, for answers with a Content-Length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> _Connection:
        return cls(*await asyncio.open_connection(host, port, limit=_MAXIMUM_HEAD_BYTES))

    async def exchange(self, message: bytes) -> tuple[int, bytes]:
        self._writer.write(message)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        return status, await self._reader.readexactly(_content_length(head))

    def close(self) -> None:
        self._writer.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _head(service: str, operation: str, host: str, port: int) -> bytes:
    target, version = _TARGETS[service]
    credential = f"{ACCESS_KEY_ID}/20200101/{REGION}/{service}/aws4_request"
    return (
        b"POST / HTTP/1.1\r\nHost: %b:%d\r\nContent-Type: application/x-amz-json-%b\r\nX-Amz-Target: %b%b\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=host, Signature=0\r\nContent-Length: "
    ) % (host.encode(), port, version, target, operation.encode(), credential.encode())
