"""Calls of AWS services with JSON protocols, called as boto3's clients are and without botocore's machinery.

One call costs a thirtieth of the CPU that boto3's takes (`benchmarks/aws_calls.py`), and loading boto3 takes longer
than all else that a function loads. What a call sends and returns is the same, and so are the exceptions.
`AWS_CLIENTS=boto3` brings boto3 back; S3 has a client of its own (`lean_s3`), and SNS has boto3's always.

Sources: the services' models in botocore (`targetPrefix`, `jsonVersion`, endpoints), and "Retry behavior" (AWS SDKs and
Tools Reference Guide) for what is tried again.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import time
import weakref
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from botocore.exceptions import ClientError, HTTPClientError

from push.adapters.lean_http import HttpAnswer, HttpConnection
from push.sigv4 import Signer

TRIES = 3
LONGEST_PAUSE_SECONDS = 0.2
"""Before the second try, with full jitter; before the third it is twice as long."""

_RETRIED_STATUSES = frozenset({500, 502, 503, 504})
_RETRIED_CODES = frozenset(
    {
        "InternalServerError",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a service is spoken to."""

    target: str
    """What precedes an operation's name."""
    content_type: str


PROTOCOLS = {
    "dynamodb": Protocol("DynamoDB_20120810", "application/x-amz-json-1.0"),
    "secretsmanager": Protocol("secretsmanager", "application/x-amz-json-1.1"),
    "sqs": Protocol("AmazonSQS", "application/x-amz-json-1.0"),
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a try may take to connect, and then to be silent, in seconds."""

    connect: float
    read: float


class LeanClient:
    """A client of one service: `client.put_item(TableName=...)` makes the call `PutItem`.

    It may be used by several threads at once.

    Args:
        service: one of `PROTOCOLS`.
        endpoint: `https://{host}`; a path is ignored.
        signer: signs for the service.
        timeouts: of a try.
        connections: how many connections are kept.

    """

    def __init__(
        self, service: str, endpoint: str, signer: Signer, timeouts: Timeouts, *, connections: int = 10
    ) -> None:
        parts = urlsplit(endpoint)
        self._protocol = PROTOCOLS[service]
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._host_header = self._host if parts.port is None else f"{self._host}:{parts.port}"
        self._signer = signer
        self._timeouts = timeouts
        self._most_idle = connections
        self._idle: deque[HttpConnection] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """Return the method of an operation."""
        if name.startswith("_"):
            raise AttributeError(name)
        method = partial(self._call, "".join(map(str.capitalize, name.split("_"))))
        setattr(self, name, method)
        return method

    def _call(self, operation: str, **parameters: object) -> dict[str, Any]:
        """Make a call, up to three times.

        Raises:
            ClientError: the service answered with an error, which `response` holds as botocore's does.
            HTTPClientError: it did not answer.

        """
        body = msgspec.json.encode(parameters)
        for further_tries in reversed(range(TRIES)):
            try:
                answer = self._exchange(operation, body)
            except OSError as exc:
                if not further_tries:
                    raise HTTPClientError(error=exc) from exc
            else:
                if answer.status == 200:
                    return _read_answer(answer.body)
                error = _read_error(answer)
                if not further_tries or not _is_temporary(answer.status, error["Error"]["Code"]):
                    raise ClientError(error, operation)
            time.sleep(LONGEST_PAUSE_SECONDS * (TRIES - further_tries) * random.random())  # noqa: S311 - no secret
        raise AssertionError("the last try returns or raises")

    def _exchange(self, operation: str, body: bytes) -> HttpAnswer:
        connection = self._kept_connection()
        if connection is not None:
            try:
                return self._exchange_on(connection, operation, body)
            except OSError as exc:
                # After a freeze those kept beside it are likely to be as dead.
                _close_all(self._idle)
                if not isinstance(exc, ConnectionError):
                    raise
        return self._exchange_on(self._connect(), operation, body)

    def _exchange_on(self, connection: HttpConnection, operation: str, body: bytes) -> HttpAnswer:
        answer = connection.exchange(self._request(operation, body))
        checksum = answer.headers.get("x-amz-crc32")
        if checksum is not None and int(checksum) != zlib.crc32(answer.body):
            connection.close()
            raise OSError("The answer came damaged: its checksum is another.")
        if connection.is_open and len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _kept_connection(self) -> HttpConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> HttpConnection:
        timeouts = self._timeouts
        return HttpConnection(
            self._host, self._port, tls=self._tls, connect_seconds=timeouts.connect, read_seconds=timeouts.read
        )

    def _request(self, operation: str, body: bytes) -> bytes:
        also = (
            ("content-type", self._protocol.content_type),
            ("x-amz-target", f"{self._protocol.target}.{operation}"),
        )
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(body).hexdigest()
        headers = self._signer.sign("POST", self._host_header, "/", digest, timestamp, also)
        lines = "".join([f"{name}: {value}\r\n" for name, value in (*also, *headers.items())])
        head = f"POST / HTTP/1.1\r\nHost: {self._host_header}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def _close_all(connections: deque[HttpConnection]) -> None:
    with contextlib.suppress(IndexError):  # another thread took the last one
        while True:
            connections.pop().close()


def _is_temporary(status: int, code: str) -> bool:
    return status in _RETRIED_STATUSES or status == 429 or code in _RETRIED_CODES


def _read_answer(body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(body) if body else {}
    # Binary attributes of DynamoDB are the only values that JSON cannot hold as they are, and rare.
    return _with_binaries(answer) if b'"B":' in body else answer


def _with_binaries(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_with_binaries(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(encoded := value.get("B"), str):
        return {"B": base64.b64decode(encoded)}
    return {name: _with_binaries(each) for name, each in value.items()}


def _read_error(answer: HttpAnswer) -> Any:  # noqa: ANN401 - botocore's own type is private
    try:
        document = _read_answer(answer.body)
    except msgspec.DecodeError:
        document = {}
    code = str(document.pop("__type", "") or answer.headers.get("x-amzn-errortype", "") or answer.status)
    message = document.pop("message", None) or document.pop("Message", None) or ""
    return {
        **document,
        "Error": {"Code": code.rpartition("#")[2].partition(":")[0], "Message": message},
        "ResponseMetadata": {
            "HTTPStatusCode": answer.status,
            "RequestId": answer.headers.get("x-amzn-requestid", ""),
        },
    }
