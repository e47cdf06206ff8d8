"""The blocking client of the HTTP API."""

from __future__ import annotations

import random as system_random
import ssl
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from pushaside.http import client as asynchronous
from pushaside.http.changes import ChangeScope
from pushaside.http.durable_requests import Accepted, Deliver, RequestState, Resource
from pushaside.protocol.messages import Result
from pushaside.settings import Settings
from pushaside.sync.connecting import off_the_loop
from pushaside.sync.loop_thread import LoopThread

T = TypeVar("T")


class HttpClient:
    """A client of the HTTP API without asyncio.

    Its arguments and methods are those of `pushaside.HttpClient`, with the same errors. Every call has a thread and a
    connection of its own, so there is nothing to close, and any number of threads may use the client.

    >>> client = HttpClient(HTTP_URL)
    >>> accepted = client.submit("documents", {"collection": "airports", "ids": ["TX"]})
    >>> client.wait(accepted.id, deadline=30.0).data[0]["state"]
    'TX'
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str] | None = None,
        settings: Settings | None = None,
        tls: ssl.SSLContext | None = None,
        random: Callable[[], float] = system_random.random,
    ) -> None:
        self._client = asynchronous.HttpClient(
            url, token=off_the_loop(token), settings=settings, tls=tls, random=random
        )

    def submit(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deliver: Deliver | None = None,
        id: str | None = None,  # noqa: A002  (the protocol's word)
        request_deadline: float | None = None,
        max_age: float | None = None,
        deadline: float = 30.0,
    ) -> Accepted:
        """Submit a durable request; once this returns, the service does not lose it."""
        return _run(
            lambda: self._client.submit(
                compute,
                params,
                deliver=deliver,
                id=id,
                request_deadline=request_deadline,
                max_age=max_age,
                deadline=deadline,
            )
        )

    def look(self, request_id: str, *, wait: float = 0.0, deadline: float = 30.0) -> RequestState:
        """Return the state of a request, after at most `wait` seconds for it to be settled."""
        return _run(lambda: self._client.look(request_id, wait=wait, deadline=deadline))

    def wait(self, request_id: str, *, deadline: float = 30.0) -> Result:
        """Wait until a request is settled, and return its result."""
        return _run(lambda: self._client.wait(request_id, deadline=deadline))

    def result(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        known: Resource | None = None,
        deadline: float = 30.0,
    ) -> Resource:
        """Get a result as a resource, which caches on the way may answer."""
        return _run(lambda: self._client.result(compute, params, known=known, deadline=deadline))

    def changed(
        self,
        tags: Iterable[str],
        *,
        scope: ChangeScope = "tenant",
        tenant: str | None = None,
        deadline: float = 30.0,
    ) -> None:
        """Say that the sources of tags changed; the change is durable once this returns."""
        _run(lambda: self._client.changed(tags, scope=scope, tenant=tenant, deadline=deadline))

    def computes(self, *, deadline: float = 30.0) -> tuple[Mapping[str, Any], ...]:
        """Return the computes on offer."""
        return _run(lambda: self._client.computes(deadline=deadline))

    def webhook_secrets(self, *, deadline: float = 30.0) -> tuple[str, ...]:
        """Return the secrets that sign this caller's webhooks, the current one first."""
        return _run(lambda: self._client.webhook_secrets(deadline=deadline))


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    # Not `asyncio.run`, which refuses to run where a loop runs already, as in a notebook.
    thread = LoopThread()
    try:
        return thread.run(work)
    finally:
        thread.stop()
