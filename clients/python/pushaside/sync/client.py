"""The blocking client: requests, subscriptions and publications."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping
from types import TracebackType
from typing import Self

from pushaside import client as asynchronous
from pushaside import subscription
from pushaside.progress import Progress
from pushaside.protocol.messages import Result
from pushaside.sync.loop_thread import LoopThread
from pushaside.sync.subscription import Subscription


class Client:
    """An open connection to the service that reconnects by itself, made by `connect`.

    `with` closes it. Its methods are those of `pushaside.Client`, with the same arguments and errors.
    """

    def __init__(self, thread: LoopThread, client: asynchronous.Client) -> None:
        self._thread = thread
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread; unanswered requests fail with `ConnectionClosedError`."""
        if not self._thread.has_stopped:
            self._thread.run(self._client.close)
        self._thread.stop()

    @property
    def is_closed(self) -> bool:
        """Whether the client was closed or has ended for good, and does not reconnect."""
        return self._client.is_closed

    def request(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deadline: float = 30.0,
        max_age: float | None = None,
    ) -> Result:
        """Request the result of a compute and wait for it."""
        return self._thread.run(lambda: self._client.request(compute, params, deadline=deadline, max_age=max_age))

    def gather(
        self,
        requests: Iterable[tuple[str, Mapping[str, object] | None]],
        *,
        deadline: float = 30.0,
        max_age: float | None = None,
        at_once: int = 100,
    ) -> list[Result]:
        """Request the results of many computes with params, `at_once` at a time; return them in the same order.

        `deadline` limits each request, in seconds since it is sent. The first error is raised, and cancels the others.

        >>> with connect(URL) as client:
        ...     asked = [("documents", {"collection": "airports", "ids": [state]}) for state in ("TX", "CA")]
        ...     [result.data[0]["state"] for result in client.gather(asked)]
        ['TX', 'CA']
        """
        asked = list(requests)
        return self._thread.run(lambda: self._gather(asked, deadline, max_age, at_once))

    def stream(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deadline: float = 30.0,
        max_age: float | None = None,
    ) -> Generator[Progress | Result, None, None]:
        """Request the result of a compute; yield its progress, and at last the result.

        >>> with connect(URL) as client:
        ...     *news, result = client.stream("documents", {"collection": "airports", "ids": ["TX"]})
        >>> news[0].stage, result.data[0]["state"]
        ('sent', 'TX')
        """
        steps = self._client.stream(compute, params, deadline=deadline, max_age=max_age)

        async def step() -> Progress | Result | None:
            return await anext(steps, None)

        try:
            while (news := self._thread.run(step)) is not None:
                yield news
        finally:
            if not self._thread.has_stopped:
                self._thread.run(steps.aclose)

    def ping(self, *, deadline: float = 10.0) -> float:
        """Measure the round trip to the service, in seconds."""
        return self._thread.run(lambda: self._client.ping(deadline=deadline))

    def publish(self, topic: str, data: object, *, deadline: float = 30.0) -> str:
        """Publish a message to a channel; return its position there once the service has stored it."""
        return self._thread.run(lambda: self._client.publish(topic, data, deadline=deadline))

    def subscribe(
        self,
        topic: str | None = None,
        *,
        compute: str | None = None,
        params: Mapping[str, object] | None = None,
        since: str | None = None,
        patches: bool = False,
    ) -> Subscription:
        """Subscribe to a channel, or to the result of a compute with params.

        >>> with connect(URL) as client, client.subscribe("demo:greetings") as greetings:
        ...     position = client.publish("demo:greetings", "hello")
        ...     next(greetings).data
        'hello'
        """

        async def make() -> subscription.Subscription:
            return self._client.subscribe(topic, compute=compute, params=params, since=since, patches=patches)

        return Subscription(self._thread, self._thread.run(make))

    async def _gather(
        self,
        asked: list[tuple[str, Mapping[str, object] | None]],
        deadline: float,
        max_age: float | None,
        at_once: int,
    ) -> list[Result]:
        slots = asyncio.Semaphore(at_once)

        async def ask(compute: str, params: Mapping[str, object] | None) -> Result:
            async with slots:
                return await self._client.request(compute, params, deadline=deadline, max_age=max_age)

        asking = [asyncio.create_task(ask(*each)) for each in asked]
        try:
            return await asyncio.gather(*asking)
        finally:
            for each in asking:
                each.cancel()
