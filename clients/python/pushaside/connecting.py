"""`connect`: one client for a block, or a new one whenever the last one has ended for good."""

from __future__ import annotations

import asyncio
import logging
import random as system_random
import ssl
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType

from pushaside.backoff import full_jitter
from pushaside.client import Client, open_client
from pushaside.connection import check_url
from pushaside.errors import PushasideError
from pushaside.metrics import Metrics
from pushaside.place import Place, Token
from pushaside.settings import Settings

logger = logging.getLogger("pushaside")


class Connecting:
    """The return value of `connect`: a context manager of a client, an awaitable of one, and an iterator of clients."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client: Client | None = None

    async def __aenter__(self) -> Client:
        """Open a client, which the end of the block closes."""
        if self._client is not None:
            raise RuntimeError("This `connect` has an open client: call `connect` for each client.")
        self._client = await self
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def __await__(self) -> Generator[object, None, Client]:
        """Open a client that the caller closes."""
        return open_client(self._place).__await__()

    async def __aiter__(self) -> AsyncGenerator[Client, None]:
        """Yield a newly opened client for each turn of the loop, and close the one of the turn before.

        A client reconnects by itself. It ends for good if the service says so, if the service refuses its token, or
        after `Settings.reconnect_attempts`; its requests then raise ConnectionClosedError, or another PushasideError
        that gives the reason. If a client cannot be opened or ends early, the loop backs off with full jitter, whose
        bound doubles up to `Settings.backoff_cap_seconds`.

        Raises:
            UnauthorizedError: the service demands a valid token.
            ForbiddenError: the service refuses this caller.
            PushasideError: the client cannot be opened for another permanent reason.

        """
        failures = 0
        while True:
            opened_at = asyncio.get_running_loop().time()
            try:
                client = await self
            except PushasideError as exc:
                if not exc.retryable:
                    raise
                logger.info("could not open a client: %s", exc.message)
                await self._wait(failures, exc.retry_after)
                failures += 1
                continue
            try:
                yield client
                has_ended = client.is_closed
            finally:
                await client.close()
            has_lasted = asyncio.get_running_loop().time() - opened_at > self._place.settings.backoff_cap_seconds
            failures = 0 if has_lasted else failures
            if has_ended:
                await self._wait(failures)
                failures += 1

    async def _wait(self, failures: int, retry_after: float | None = None) -> None:
        settings = self._place.settings
        wait = full_jitter(
            failures,
            self._place.random(),
            base_seconds=settings.backoff_base_seconds,
            cap_seconds=settings.backoff_cap_seconds,
        )
        await asyncio.sleep(max(wait, retry_after or 0.0))


def connect(
    url: str,
    *,
    token: Token | None = None,
    settings: Settings | None = None,
    tls: ssl.SSLContext | None = None,
    random: Callable[[], float] = system_random.random,
    metrics: Metrics | None = None,
) -> Connecting:
    """Prepare a client of the service at a URL; `async with` connects it, and closes it at the end of the block.

    >>> async with connect(URL) as client:
    ...     result = await client.request("documents", {"collection": "airports", "ids": ["TX"]})
    >>> result.data[0]["state"]
    'TX'

    `async for` yields one client after another, for programs that run forever:

    >>> async for client in connect(URL):
    ...     async with client:
    ...         try:
    ...             result = await client.request("documents", {"collection": "airports", "ids": ["CA"]})
    ...         except PushasideError as error:
    ...             print(error.message, "Again.")
    ...             continue
    ...         break
    >>> result.data[0]["state"]
    'CA'

    `await` returns a client that the caller closes.

    >>> client = await connect(URL)
    >>> await client.close()

    The client sends `token` as `Authorization: Bearer`; it calls an async function that returns one before every
    attempt to connect. `tls` replaces the default context of `wss` URLs. `random` returns numbers in [0, 1) for jitter.
    `metrics` has the hooks that the client calls.

    Raises:
        ValueError: the URL is not a WebSocket URL.

    """
    check_url(url)
    return Connecting(Place(url, token, tls, settings or Settings(), random, metrics))
