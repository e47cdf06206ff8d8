"""`connect`: one client for a block, or a new one whenever the one before has ended for good."""

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
    """What `connect` returns: a context manager of one client, an awaitable of one, and an iterator of reconnects."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client: Client | None = None

    async def __aenter__(self) -> Client:
        """Open a client; it is closed at the end of the block."""
        if self._client is not None:
            raise RuntimeError("It is in use: call `connect` for each client.")
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
        """Give a newly opened client for each turn of the loop; that of the turn before is closed first.

        A client mends losses of its connection by itself. It ends for good if the service says so, if its token is
        refused, or after `Settings.reconnect_attempts`; what it was asked then raises ConnectionClosedError, or a
        subclass of PushasideError that says why. Between clients that could not be opened or ended early there are
        waits of full jitter, whose bound doubles up to `Settings.backoff_cap_seconds`.

        Raises:
            UnauthorizedError: the service asks for a valid token.
            ForbiddenError: the service does not let this caller in.
            PushasideError: it cannot be opened for another reason that will not pass by itself.

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
    """Say where the service is; `async with` connects a client to it, and closes it in the end.

    >>> async with connect(URL) as client:
    ...     result = await client.request("documents", {"collection": "airports", "ids": ["TX"]})
    >>> result.data[0]["state"]
    'TX'

    `async for` gives one client after another, for programs that go on for ever:

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

    And `await` gives one that the caller closes.

    >>> client = await connect(URL)
    >>> await client.close()

    `token` is sent as `Authorization: Bearer`; an async function that returns one is called before every attempt to
    connect. `tls` replaces the default context of `wss` URLs. `random` gives numbers in [0, 1) for jitter. `metrics`
    is told what happens.

    Raises:
        ValueError: the URL is not one of a WebSocket.

    """
    check_url(url)
    return Connecting(Place(url, token, tls, settings or Settings(), random, metrics))
