"""`connect`: a blocking client with an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import random as system_random
import ssl
from collections.abc import Callable

from pushaside import client as asynchronous
from pushaside import connecting
from pushaside.metrics import Metrics
from pushaside.place import Token
from pushaside.settings import Settings
from pushaside.sync.client import Client
from pushaside.sync.loop_thread import LoopThread


def connect(
    url: str,
    *,
    token: str | Callable[[], str] | None = None,
    settings: Settings | None = None,
    tls: ssl.SSLContext | None = None,
    random: Callable[[], float] = system_random.random,
    metrics: Metrics | None = None,
) -> Client:
    """Connect a client to the service at a URL.

    The arguments are those of `pushaside.connect`. A function that returns a token may block, because it runs in a
    thread of its own. Hooks of `metrics` run in the client's thread.

    Raises:
        ValueError: the URL is not a WebSocket URL.
        PushasideError: the connection failed or was refused.

    """
    place = connecting.connect(
        url, token=off_the_loop(token), settings=settings, tls=tls, random=random, metrics=metrics
    )

    async def opened() -> asynchronous.Client:
        return await place

    thread = LoopThread()
    try:
        return Client(thread, thread.run(opened))
    except BaseException:
        thread.stop()
        raise


def off_the_loop(token: str | Callable[[], str] | None) -> Token | None:
    """Return a token whose function runs in a thread of its own, because it may block."""
    if token is None or isinstance(token, str):
        return token

    async def get_token() -> str:
        return await asyncio.to_thread(token)

    return get_token
