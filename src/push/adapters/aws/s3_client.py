"""A client for the calls of S3 that the adapters make. It has boto3's interface without botocore's machinery.

It gets, puts and lists objects and signs links; parameters, answers and exceptions are boto3's. It knows no multipart
uploads, access points, directory buckets or redirects to another region: `AWS_CLIENTS=boto3` switches to boto3, which
does. `docs/decisions/s3-client.md` compares the two with obstore.

Sources: "REST API" and "Error responses", Amazon S3 API Reference; the endpoint rules in botocore; "Checking object
integrity", Amazon S3 User Guide.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import zlib
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from botocore.exceptions import ParamValidationError

from push.adapters.aws.connection_pool import ConnectionPool, Timeouts
from push.adapters.aws.http_streams import Body, StreamingConnection
from push.adapters.aws.retries import Fault, call
from push.adapters.aws.s3_documents import read_error, read_listing
from push.adapters.aws.sigv4 import Headers, Signer, timestamp

WHOLE_BYTES = 8 * 1024 * 1024
"""A body of up to this size is received within the tries, so a connection that breaks costs a retry only."""

_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
_RETRIED_CODES = frozenset({"RequestTimeout", "SlowDown"})
_HEADERS: Final = {
    "ContentEncoding": "content-encoding",
    "ContentType": "content-type",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
}
_LISTING: Final = {"Prefix": "prefix", "ContinuationToken": "continuation-token", "MaxKeys": "max-keys"}
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class _Request(msgspec.Struct, frozen=True):
    """A request before it is signed."""

    operation: str
    method: str
    host: str
    """The value of the Host header."""
    path: str
    """The percent-encoded path, as sent."""
    headers: Headers
    body: bytes
    digest: str
    """SHA-256 of the body in hex."""
    query: str = ""
    """The query, sorted and percent-encoded."""


class S3Client:
    """A client of S3; thread-safe.

    Args:
        endpoint: `https://{host}` of the region, or of a server that replaces S3; a path is ignored.
        signer: signs requests for S3 in its region.
        timeouts: limits of one try.
        connections: the number of idle connections to keep for each bucket.

    """

    def __init__(self, endpoint: str, signer: Signer, timeouts: Timeouts, *, connections: int = 10) -> None:
        parts = urlsplit(endpoint)
        self._scheme = parts.scheme
        self._tls = parts.scheme == "https"
        host = parts.hostname or ""
        name = f"[{host}]" if ":" in host else host
        self._port = parts.port or (443 if self._tls else 80)
        # Clients that follow a link omit the default port from the Host header, so the signature must too.
        self._host = name if self._port == (443 if self._tls else 80) else f"{name}:{self._port}"
        self._has_subdomains = _has_subdomains(host)
        self._signer = signer
        self._timeouts = timeouts
        self._connections = connections
        self._kept: dict[str, ConnectionPool[StreamingConnection]] = {}

    def get_object(self, **parameters: str) -> dict[str, Any]:
        """Return an object: `Body`, and if present `ContentLength`, `ContentType`, `ContentEncoding`, `ETag`.

        Args:
            parameters: `Bucket`, `Key`, and optionally `IfMatch`, `IfNoneMatch`.

        Raises:
            ClientError: S3 answered with an error; `response` has botocore's form.
            HTTPClientError: S3 did not answer.

        """
        also = {"x-amz-checksum-mode": "ENABLED"}
        body = self._call(self._request("GetObject", "GET", parameters, also))
        fields = _fields(body.headers, ETag="etag", ContentType="content-type", ContentEncoding="content-encoding")
        if "content-length" in body.headers:
            fields["ContentLength"] = int(body.headers["content-length"])
        return {**fields, "Body": body, "ResponseMetadata": _metadata(body)}

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        """Store an object; replace it if it exists.

        Args:
            parameters: `Bucket`, `Key`, `Body` (bytes), and optionally `ContentType`, `ContentEncoding`, `IfMatch`,
                `IfNoneMatch`.

        Raises:
            ClientError: S3 answered with an error; `response` has botocore's form.
            HTTPClientError: S3 did not answer; the object may have been stored.

        """
        content: bytes = parameters.pop("Body", b"")
        # S3 stores the checksum with the object, so that readers can check the bytes that they get.
        checksum = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
        also = {"x-amz-checksum-crc32": checksum, "x-amz-sdk-checksum-algorithm": "CRC32"}
        body = self._call(self._request("PutObject", "PUT", parameters, also, content))
        return {**_fields(body.headers, ETag="etag"), "ResponseMetadata": _metadata(body)}

    def list_objects_v2(self, **parameters: str) -> dict[str, Any]:
        """Return a page of a bucket's objects in order of their keys: `Contents`, `IsTruncated`, and how to continue.

        Args:
            parameters: `Bucket`, and optionally `Prefix`, `ContinuationToken`, `MaxKeys`.

        Raises:
            ClientError: S3 answered with an error; `response` has botocore's form.
            HTTPClientError: S3 did not answer.

        """
        given = dict(parameters)
        bucket = given.pop("Bucket", "")
        if not bucket or not given.keys() <= _LISTING.keys():
            raise ParamValidationError(report=f"ListObjectsV2 takes Bucket, {', '.join(_LISTING)}.")
        fields = {
            "list-type": "2",
            "encoding-type": "url",
            **{_LISTING[name]: str(each) for name, each in given.items()},
        }
        query = urlencode(sorted(fields.items()), safe="~", quote_via=quote)
        host, path = self._locate(bucket, "")
        digest = hashlib.sha256(b"").hexdigest()
        headers = (("x-amz-content-sha256", digest),)
        body = self._call(_Request("ListObjectsV2", "GET", host, path, headers, b"", digest, query))
        return {**read_listing(body.read()), "ResponseMetadata": _metadata(body)}

    def generate_presigned_url(self, method: str, *, Params: dict[str, str], ExpiresIn: int = 3600) -> str:  # noqa: N803
        """Return a URL that allows anybody who has it to get an object, for `ExpiresIn` seconds.

        Raises:
            ValueError: the method is not `get_object`.

        """
        if method != "get_object":
            raise ValueError(f"Only get_object can be presigned, not {method}.")
        request = self._request("GetObject", "GET", Params, {})
        query = self._signer.presign(request.host, request.path, ExpiresIn, timestamp())
        return f"{self._scheme}://{request.host}{request.path}?{query}"

    def _request(
        self, operation: str, method: str, parameters: dict[str, str], also: dict[str, str], body: bytes = b""
    ) -> _Request:
        given = dict(parameters)
        bucket, key = given.pop("Bucket", ""), given.pop("Key", "")
        if not bucket or not key or not given.keys() <= _HEADERS.keys():
            raise ParamValidationError(report=f"{operation} takes Bucket, Key and {', '.join(_HEADERS)}.")
        host, path = self._locate(bucket, key)
        digest = hashlib.sha256(body).hexdigest()
        headers = {
            **{_HEADERS[name]: value for name, value in given.items()},
            "x-amz-content-sha256": digest,
            **also,
        }
        return _Request(operation, method, host, path, tuple(headers.items()), body, digest)

    def _locate(self, bucket: str, key: str) -> tuple[str, str]:
        """Return the Host header and the path of an object. The bucket is in the host where botocore puts it there."""
        path = f"/{quote(key, safe='/')}"
        if self._has_subdomains and _HOST_LABEL.fullmatch(bucket):
            return f"{bucket}.{self._host}", path
        return self._host, f"/{quote(bucket, safe='')}{path}"

    def _call(self, request: _Request) -> Body:
        """Make a call and return the body of a successful answer. Raises as `retries.call` does."""
        return call(request.operation, lambda: self._exchange(request), _find_fault)

    def _exchange(self, request: _Request) -> Body:
        kept = self._kept.get(request.host)
        if kept is None:
            kept = self._kept.setdefault(request.host, self._make_kept(request.host))
        return kept.exchange(lambda connection: self._exchange_on(connection, request))

    def _make_kept(self, host: str) -> ConnectionPool[StreamingConnection]:
        connect = partial(
            StreamingConnection,
            urlsplit(f"//{host}").hostname or "",
            self._port,
            tls=self._tls,
            connect_seconds=self._timeouts.connect,
            read_seconds=self._timeouts.read,
        )
        return ConnectionPool(connect, self._connections)

    def _exchange_on(self, connection: StreamingConnection, request: _Request) -> Body:
        body = connection.exchange_head(self._sign(request), request.body, is_checked=request.method == "GET")
        body.receive_small(WHOLE_BYTES)
        if body.is_whole:
            self._kept[request.host].keep(connection)
        return body

    def _sign(self, request: _Request) -> bytes:
        """Return the request's head."""
        signature = self._signer.sign(
            request.method, request.host, request.path, request.digest, timestamp(), request.headers, request.query
        )
        length = (("Content-Length", str(len(request.body))),) if request.method == "PUT" else ()
        headers = (("Host", request.host), *length, *request.headers, *signature.items())
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
        target = f"{request.path}?{request.query}" if request.query else request.path
        return f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n".encode()


def _has_subdomains(host: str) -> bool:
    """Return whether a bucket's name may precede the host: not for an IP address, nor for `localhost`."""
    if host == "localhost":
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _find_fault(body: Body) -> Fault | None:
    if body.status == HTTPStatus.OK:
        return None
    error = _read_error(body)
    is_temporary = body.status in _RETRIED_STATUSES or error["Error"]["Code"] in _RETRIED_CODES
    return Fault(error, is_temporary)


def _fields(headers: dict[str, str], **names: str) -> dict[str, Any]:
    return {field: headers[name] for field, name in names.items() if name in headers}


def _metadata(body: Body) -> dict[str, Any]:
    return {
        "HTTPStatusCode": body.status,
        "RequestId": body.headers.get("x-amz-request-id", ""),
        "HostId": body.headers.get("x-amz-id-2", ""),
    }


def _read_error(body: Body) -> Any:  # noqa: ANN401 - botocore's own type is private
    fields = read_error(body.read()) if body.is_whole else {}
    # An answer without a body, such as 304, has only its status.
    by_status = {"Code": str(body.status), "Message": _PHRASES.get(body.status, "")}
    return {"Error": fields or by_status, "ResponseMetadata": _metadata(body)}
