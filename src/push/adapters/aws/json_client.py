"""A client of AWS services with JSON protocols. It has boto3's interface without botocore's machinery.

One call takes a thirtieth of boto3's CPU (`benchmarks/aws_calls.py`), and boto3 takes longer to load than everything
else in a function. Requests, answers and exceptions are boto3's. `AWS_CLIENTS=boto3` switches back to boto3. S3 has a
client of its own (`s3_client`); SNS always uses boto3.

Source: the services' models in botocore (`targetPrefix`, `jsonVersion`, endpoints).
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from push.adapters.aws.connection_pool import ConnectionPool, Timeouts
from push.adapters.aws.http import HttpAnswer, HttpConnection
from push.adapters.aws.retries import Fault, call
from push.adapters.aws.sigv4 import Signer, timestamp

_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
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


class Protocol(msgspec.Struct, frozen=True):
    """The parts of the protocol that differ by service."""

    target: str
    """Prefix of the operation's name in `x-amz-target`."""
    content_type: str


PROTOCOLS = {
    "dynamodb": Protocol("DynamoDB_20120810", "application/x-amz-json-1.0"),
    "secretsmanager": Protocol("secretsmanager", "application/x-amz-json-1.1"),
    "sqs": Protocol("AmazonSQS", "application/x-amz-json-1.0"),
}


class JsonClient:
    """A client of one service: `client.put_item(TableName=...)` makes the call `PutItem`.

    Thread-safe.

    Args:
        service: one of `PROTOCOLS`.
        endpoint: `https://{host}`; a path is ignored.
        signer: signs requests for the service.
        timeouts: limits of one try.
        connections: the number of idle connections to keep.

    """

    def __init__(
        self, service: str, endpoint: str, signer: Signer, timeouts: Timeouts, *, connections: int = 10
    ) -> None:
        parts = urlsplit(endpoint)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        self._protocol = PROTOCOLS[service]
        self._host_header = host if parts.port is None else f"{host}:{parts.port}"
        self._signer = signer
        connect = partial(
            HttpConnection,
            host,
            parts.port or (443 if is_tls else 80),
            tls=is_tls,
            connect_seconds=timeouts.connect,
            read_seconds=timeouts.read,
        )
        self._kept = ConnectionPool(connect, connections)

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """Return the method of an operation."""
        if name.startswith("_"):
            raise AttributeError(name)
        method = partial(self._call, "".join(map(str.capitalize, name.split("_"))))
        setattr(self, name, method)
        return method

    def _call(self, operation: str, **parameters: object) -> dict[str, Any]:
        """Make a call. Raises ClientError and HTTPClientError as `retries.call` does."""
        body = msgspec.json.encode(parameters)
        answer = call(operation, lambda: self._exchange(operation, body), _find_fault)
        return _read_answer(answer.body)

    def _exchange(self, operation: str, body: bytes) -> HttpAnswer:
        return self._kept.exchange(lambda connection: self._exchange_on(connection, operation, body))

    def _exchange_on(self, connection: HttpConnection, operation: str, body: bytes) -> HttpAnswer:
        answer = connection.exchange(self._request(operation, body))
        checksum = answer.headers.get("x-amz-crc32")
        if checksum is not None and int(checksum) != zlib.crc32(answer.body):
            connection.close()
            raise OSError("The answer is damaged: it does not match its checksum.")
        self._kept.keep(connection)
        return answer

    def _request(self, operation: str, body: bytes) -> bytes:
        also = (
            ("content-type", self._protocol.content_type),
            ("x-amz-target", f"{self._protocol.target}.{operation}"),
        )
        digest = hashlib.sha256(body).hexdigest()
        headers = self._signer.sign("POST", self._host_header, "/", digest, timestamp(), also)
        lines = "".join([f"{name}: {value}\r\n" for name, value in (*also, *headers.items())])
        head = f"POST / HTTP/1.1\r\nHost: {self._host_header}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def _find_fault(answer: HttpAnswer) -> Fault | None:
    if answer.status == 200:
        return None
    error = _read_error(answer)
    is_temporary = answer.status in _RETRIED_STATUSES or error["Error"]["Code"] in _RETRIED_CODES
    return Fault(error, is_temporary)


def _read_answer(body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(body) if body else {}
    # Only binary attributes of DynamoDB need conversion from JSON, and they are rare.
    return _with_binaries(answer) if b'"B":' in body or b'"BS":' in body else answer


def _with_binaries(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_with_binaries(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(encoded := value.get("B"), str):
        return {"B": base64.b64decode(encoded)}
    if len(value) == 1 and isinstance(many := value.get("BS"), list):
        return {"BS": [base64.b64decode(each) for each in many]}
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
