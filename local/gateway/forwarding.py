"""The headers that API Gateway's front end adds to a request before any other processing."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

from local.gateway.http_messages import HttpRequest

_ADDED: Final = frozenset(("x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"))


def source_ip(transport: asyncio.BaseTransport) -> str:
    """Return the peer's address, or an empty string if the peer has disconnected."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def forwarded_headers(request: HttpRequest, transport: asyncio.BaseTransport) -> list[tuple[str, str]]:
    """Return a request's headers with a trace id and the last hop's `X-Forwarded-*`. The case of names is kept."""
    headers = list(request.decoded_headers())
    hops = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    traces = [value for name, value in headers if name.lower() == "x-amzn-trace-id"]
    own = transport.get_extra_info("sockname")
    return [
        *((name, value) for name, value in headers if name.lower() not in _ADDED),
        ("X-Amzn-Trace-Id", traces[0] if traces else _trace_id()),
        ("X-Forwarded-For", ", ".join((*hops, source_ip(transport)))),
        ("X-Forwarded-Port", str(own[1]) if own else ""),
        ("X-Forwarded-Proto", "http"),
    ]


def _trace_id() -> str:
    """Return an X-Ray trace id: the time in hexadecimal seconds, then 96 random bits."""
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"
