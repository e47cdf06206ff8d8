"""Where the service is, and how a client shows itself there."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pushaside.errors import CannotConnectError
from pushaside.metrics import Metrics
from pushaside.settings import Settings

Token = str | Callable[[], Awaitable[str]]
"""A token, or how to get one: the latter is called before every attempt to connect, so that it may be renewed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service is, and how it is spoken to; `random` gives numbers in [0, 1) for jitter."""

    url: str
    token: Token | None
    tls: ssl.SSLContext | None
    settings: Settings
    random: Callable[[], float]
    metrics: Metrics | None


async def get_token(token: Token | None) -> str | None:
    """Get the token for one attempt to connect.

    Raises:
        CannotConnectError: the caller's function gave none.

    """
    if token is None or isinstance(token, str):
        return token
    try:
        return await token()
    except Exception as exc:
        # It is the caller's own function: whatever it raises, there is no token and so no connection.
        raise CannotConnectError(f"There is no token: {exc}", is_answered=False) from exc
