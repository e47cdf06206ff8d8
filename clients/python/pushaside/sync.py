"""The client without asyncio: the same names, and every call blocks.

>>> with connect(URL) as client:
...     result = client.request("documents", {"collection": "airports", "ids": ["TX"]}, deadline=10.0)
>>> result.data[0]["state"]
'TX'

Each client has one thread with an event loop for its connection; any number of threads may use the client. An exception
that interrupts a call, such as Ctrl-C, cancels the request and frees everything.
"""

from __future__ import annotations

import asyncio
import random as system_random
import ssl
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from pushaside import client as asynchronous
from pushaside import connecting, subscription
from pushaside.errors import PushasideError
from pushaside.loop_thread import LoopThread
from pushaside.metrics import Metrics
from pushaside.place import Token
from pushaside.progress import Progress
from pushaside.protocol.messages import Result
from pushaside.protocol.topic_messages import Presence
from pushaside.session.feeds import Update
from pushaside.settings import Settings

__all__ = ["Client", "Subscription", "connect"]


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


class Subscription:
    """The updates of a topic, in order and each once: an iterator that blocks.

    `with` waits until the subscription is active, and ends it. The properties are those of `pushaside.Subscription`.
    """

    def __init__(self, thread: LoopThread, source: subscription.Subscription) -> None:
        self._thread = thread
        self._source = source

    def __enter__(self) -> Self:
        self._thread.run(self._source.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Update:
        """Wait for the next update, without a limit."""
        try:
            return self._thread.run(self._source.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def take(self, timeout: float) -> Update:
        """Wait for the next update for `timeout` seconds.

        Raises:
            TimeoutError: none arrived; a later call returns it.

        """

        async def take() -> Update:
            async with asyncio.timeout(timeout):
                return await anext(self._source)

        return self._thread.run(take)

    def take_presence(self, timeout: float) -> Presence:
        """Wait for the next presence message for `timeout` seconds, if the topic has presence.

        Raises:
            TimeoutError: none arrived; a later call returns it.

        """

        async def take() -> Presence:
            async with asyncio.timeout(timeout):
                return await anext(self._source.presence())

        return self._thread.run(take)

    def close(self) -> None:
        """Unsubscribe, which ends all iterations. A second call does nothing."""

        async def close() -> None:
            self._source.close()

        if not self._thread.has_stopped:
            self._thread.run(close)

    @property
    def topic(self) -> str | None:
        """The topic's name."""
        return self._source.topic

    @property
    def position(self) -> str | None:
        """The position of the last update taken, to subscribe `since` it later."""
        return self._source.position

    @property
    def value(self) -> Any:  # noqa: ANN401  (JSON of the compute's making)
        """The newest value of a live result, taken or not."""
        return self._source.value

    @property
    def failure(self) -> PushasideError | None:
        """The error of a live result whose compute fails at the moment."""
        return self._source.failure

    @property
    def holds(self) -> bool:
        """Whether the subscription is active."""
        return self._source.holds


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
        url, token=_off_the_loop(token), settings=settings, tls=tls, random=random, metrics=metrics
    )

    async def opened() -> asynchronous.Client:
        return await place

    thread = LoopThread()
    try:
        return Client(thread, thread.run(opened))
    except BaseException:
        thread.stop()
        raise


def _off_the_loop(token: str | Callable[[], str] | None) -> Token | None:
    if token is None or isinstance(token, str):
        return token

    async def get_token() -> str:
        return await asyncio.to_thread(token)

    return get_token
