"""Requests to the HTTP API beside the WebSocket API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.targets import Target
from tests.patience import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    target: Target, method: str, path: str, body: bytes | None = None, headers: list[tuple[str, str]] | None = None
) -> Response:
    parts = urlsplit(target.http_url or "")
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(
        parts.netloc, timeout=PATIENCE_SECONDS
    )
    try:
        connection.putrequest(method, path)
        for name, value in headers or []:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
    finally:
        connection.close()


def answer(target: Target, value: Any, headers: list[tuple[str, str]] | None = None) -> Response:
    """Return the response when the function's answer is `value`."""
    body = json.dumps({"answer": value}).encode()
    return request(target, "POST", "/answer", body, [("Content-Type", "application/json"), *(headers or [])])
