"""HTTP calls and their answers as values, and the one function that makes a call.

The call itself is made by `pushaside.http.transport`, the only module that imports httpx.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

OnBytes = Callable[[int, int | None], None]
"""Receives how many bytes have arrived, and how many are expected, or None if that is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """An HTTP call; redirects are not followed. `max_bytes` bounds the answer's body, also after decompression.

    `tls` replaces the default TLS context. `timeout_seconds` bounds the whole call.
    """

    url: str
    timeout_seconds: float
    max_bytes: int
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to an HTTP call. Header names are in lower case; the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_http_url(url: str) -> None:
    """Check that a URL can be that of an HTTP service.

    Raises:
        ValueError: it cannot; the sentence says why.

    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii() or any(character <= " " for character in url):
        raise ValueError(f"{url!r} is not an HTTP URL such as http://127.0.0.1:8080/.")


async def call(request: HttpCall, on_bytes: OnBytes | None = None) -> HttpAnswer:
    """Make a call and return the answer, whatever its status; `on_bytes` is called as the body arrives.

    Raises:
        CannotConnectError: no complete answer arrived in time.
        TooLargeError: the answer is larger than `max_bytes`.
        UnreadableResultError: the answer's content encoding is damaged or unknown.

    """
    # Importing httpx takes longer than a result takes to arrive, so only the first call does, and off the event loop.
    transport = await asyncio.to_thread(importlib.import_module, "pushaside.http.transport")
    answer: HttpAnswer = await transport.exchange(request, on_bytes)
    return answer
