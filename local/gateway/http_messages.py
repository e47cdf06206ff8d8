"""HTTP/1.1 requests that the gateway reads, and responses that it writes."""

from __future__ import annotations

import http
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

import orjson

JSON_TYPE: Final = "application/json"

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus
}
_WITHOUT_BODY: Final = frozenset((204, 304))


class HttpRequest:
    """One complete request.

    `target` and `headers` are as received. `refusal` is the response to a request that the connection refused itself.
    `tail` is the data after the head of an upgrade request.
    """

    __slots__ = ("body", "headers", "keep_alive", "method", "refusal", "tail", "target", "upgrade")

    def __init__(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = b""
        self.target = target
        self.headers = headers
        self.body = b""
        self.keep_alive = False
        self.upgrade = False
        self.tail = b""
        self.refusal: bytes | None = None

    def header(self, name: bytes) -> bytes:
        """Return the first value of a header, or an empty value. `name` is lower-case."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return b""

    def decoded_headers(self) -> Iterator[tuple[str, str]]:
        """Yield names and values as text, in order. The case of names is kept."""
        for name, value in self.headers:
            yield name.decode("latin-1"), value.decode("latin-1")

    @property
    def path(self) -> str:
        """The path with its escapes decoded."""
        return unquote(self.target.partition(b"?")[0].decode("latin-1"))

    @property
    def query(self) -> str:
        """The undecoded query, without the question mark."""
        return self.target.partition(b"?")[2].decode("latin-1")


def response(status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, head: bool = False) -> bytes:
    """Return a complete response. With `head`, leave the body out, as the answer to a HEAD request does.

    Raises ValueError for a header with a control character, which could start another header.
    """
    lines = [_status_line(status)]
    for name, value in headers:
        line = f"{name}: {value}"
        if not line.isprintable() and not line.replace("\t", "").isprintable():
            raise ValueError(f"the header {name!r} has a control character")
        lines.append(line.encode("latin-1", "replace") + b"\r\n")
    if status in _WITHOUT_BODY:
        return b"".join((*lines, b"\r\n"))
    return b"".join((*lines, b"Content-Length: %d\r\n\r\n" % len(body), b"" if head else body))


def message_response(status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return an answer in API Gateway's own form: `{"message":"..."}`."""
    return response(status, (("Content-Type", JSON_TYPE), *headers), orjson.dumps({"message": message}))


def closing(serialized: bytes) -> bytes:
    """Return a response with the header `Connection: close` added."""
    return serialized.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
