"""The service that a client connects to, and the client's token for it."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pushaside.errors import CannotConnectError
from pushaside.metrics import Metrics
from pushaside.settings import Settings

Token = str | Callable[[], Awaitable[str]]
"""A token, or an async function that returns one; the client calls it before every attempt to connect."""


@dataclass(frozen=True, slots=True)
class Place:
    """The service and all options of a client; `random` returns numbers in [0, 1) for jitter."""

    url: str
    token: Token | None
    tls: ssl.SSLContext | None
    settings: Settings
    random: Callable[[], float]
    metrics: Metrics | None


async def get_token(token: Token | None) -> str | None:
    """Return the token for one attempt to connect.

    Raises:
        CannotConnectError: the caller's function failed.

    """
    if token is None or isinstance(token, str):
        return token
    try:
        return await token()
    except Exception as exc:
        # The caller's function may raise anything; without a token there is no connection.
        raise CannotConnectError(f"The token function failed: {exc}", is_answered=False) from exc
