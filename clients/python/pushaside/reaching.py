"""Statuses, headers and reasons of unreachable or busy services, for WebSockets and HTTP alike."""

from __future__ import annotations

import ipaddress
import os
import socket

TRY_AGAIN = frozenset((408, 425, 429, *range(500, 600)))
"""Statuses after which a retry may succeed: Request Timeout, Too Early, Too Many Requests, server errors."""


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, which no proxy leads to.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("example.com")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_seconds(value: str) -> float | None:
    """Read the seconds of a header such as `Retry-After` or `Age`; None for dates and invalid values.

    >>> read_seconds("7"), read_seconds("Wed, 21 Oct 2026 07:28:00 GMT"), read_seconds("")
    (7.0, None, None)
    """
    return float(value) if value.isascii() and value.isdigit() else None


def say_reason(exc: OSError) -> str:
    """Return the system's words for an error; asyncio puts its own into `strerror`, except for unresolved names."""
    if isinstance(exc, socket.gaierror) or not exc.errno:
        return (exc.strerror or str(exc)).rstrip(".")
    return os.strerror(exc.errno).lower()
