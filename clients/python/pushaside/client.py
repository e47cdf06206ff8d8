"""The client that callers use: requests, subscriptions and messages over a connection that reconnects by itself."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from pushaside.metrics import measured
from pushaside.place import Place
from pushaside.progress import Progress, ProgressQueue
from pushaside.protocol.messages import Result
from pushaside.protocol.positions import parse_position
from pushaside.protocol.questions import GZIP, ComputeQuestion, PingQuestion, ask_compute
from pushaside.protocol.topic_messages import Published
from pushaside.protocol.topic_questions import PATCH, publish_to, subscribe_to
from pushaside.session.effects import Outcome
from pushaside.shell import Shell
from pushaside.subscription import Subscription


class Client:
    """An open connection to the service that reconnects by itself, made by `pushaside.connect`.

    A client belongs to one event loop, and handles any number of requests at once. `async with` closes it. The examples
    run in `python -m asyncio`, with an open `client`.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._metrics = shell.place.metrics
        self._accept = GZIP if shell.place.settings.accept_gzip else ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; unanswered requests fail with `ConnectionClosedError`. A second call does nothing."""
        await self._shell.close()

    @property
    def is_closed(self) -> bool:
        """Whether the client was closed or has ended for good, and does not reconnect."""
        return self._shell.has_ended

    async def wait_closed(self) -> None:
        """Wait until the client is closed or has ended for good. A lost connection does not end it."""
        await self._shell.wait_ended()

    async def request(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deadline: float = 30.0,
        max_age: float | None = None,
    ) -> Result:
        """Request the result of a compute and wait for it.

        `deadline` limits the request in seconds, for the service and for the client. `max_age` is the age in seconds
        of the oldest acceptable result: 0 asks for a new computation, None leaves it to the service. Within the
        deadline, the client reconnects and retries as errors demand. Cancelling frees everything.

        >>> result = await client.request("documents", {"collection": "airports", "ids": ["TX"]}, deadline=10.0)
        >>> result.cache in {"hit", "stale", "miss"}, result.data[0]["state"]
        (True, 'TX')

        Raises:
            RequestTimeoutError: there was no answer before the deadline.
            ConnectionClosedError: the client is closed, or the service closed the connection for good.
            PushasideError: the service answered with an error, whose code decides the class.

        """
        question = self._question(compute, params, max_age)
        outcome = await (
            self._shell.ask(question, deadline) if self._metrics is None else self._ask(question, deadline)
        )
        assert isinstance(outcome, Result)  # noqa: S101  (no other message answers a request)
        return outcome

    async def stream(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deadline: float = 30.0,
        max_age: float | None = None,
    ) -> AsyncGenerator[Progress | Result, None]:
        """Request the result of a compute; yield its progress, and at last the result.

        Arguments and errors are those of `request`. A slow consumer receives the newest progress of each stage.
        Leaving the iteration cancels the request: at once with `contextlib.aclosing`, soon without.

        >>> async for step in client.stream("documents", {"collection": "airports", "ids": ["TX"]}):
        ...     if isinstance(step, Progress):
        ...         shown = f"{step.stage}, attempt {step.attempt}: {step.received} of {step.expected} {step.unit}"
        >>> step.data[0]["state"]
        'TX'

        """
        question = self._question(compute, params, max_age)
        news = ProgressQueue()
        asking = asyncio.create_task(self._ask(question, deadline, news.put))
        asking.add_done_callback(lambda _asking: news.end())
        try:
            while (progress := await news.take()) is not None:
                yield progress
            outcome = await asking
            assert isinstance(outcome, Result)  # noqa: S101  (no other message answers a request)
            yield outcome
        finally:
            asking.cancel()
            await asyncio.wait({asking})
            if not asking.cancelled():
                # The error was raised already, or the caller has left the iteration.
                asking.exception()

    async def ping(self, *, deadline: float = 10.0) -> float:
        """Measure the round trip to the service, in seconds.

        >>> await client.ping() < 10.0
        True

        Raises:
            RequestTimeoutError: there was no answer before the deadline, in seconds.
            ConnectionClosedError: the client is closed.

        """
        outcome = await self._shell.ask(PingQuestion(), deadline)
        assert isinstance(outcome, float)  # noqa: S101  (no other message answers a ping)
        return outcome

    def subscribe(
        self,
        topic: str | None = None,
        *,
        compute: str | None = None,
        params: Mapping[str, object] | None = None,
        since: str | None = None,
        patches: bool = False,
    ) -> Subscription:
        """Subscribe to a channel, or to the result of a compute with params: a live result.

        A channel delivers every message, in order. A live result delivers its current value and then new ones, of
        which it may skip all but the newest. With `since`, an earlier position, the messages after it come first, or a
        resync if some of them are lost. With `patches`, the service may send the changes of a live result in place of
        the whole value, which the caller does not notice.

        >>> async with client.subscribe(compute="leaderboard", params={"board": "demo", "top": 3}) as board:
        ...     async for update in board:
        ...         print([each["rank"] for each in update.data])
        ...         break
        [1, 2, 3]

        Raises:
            ValueError: neither a topic nor a compute is given, or both are, or `since` is not a position.
            InvalidParamsError: the params cannot be written as JSON.
            TooLargeError: the message would exceed the size limit.
            PushasideError: the client is closed.

        """
        subject = subscribe_to(topic, compute, params)
        position = None if since is None else parse_position(since)
        return self._shell.subscribe(subject, position, PATCH if patches else ())

    async def publish(self, topic: str, data: object, *, deadline: float = 30.0) -> str:
        """Publish a message to a channel; return its position there once the service has stored it.

        The message is published once, however often the client retries within the deadline, in seconds. After a
        RequestTimeoutError it may have been published or not.

        >>> async with client.subscribe("demo:echo") as messages:
        ...     position = await client.publish("demo:echo", "hello")
        ...     update = await anext(messages)
        >>> update.data, update.position == position
        ('hello', True)

        Raises:
            RequestTimeoutError: there was no answer before the deadline.
            ForbiddenError: this caller may not publish to the channel.
            InvalidParamsError: the data cannot be written as JSON.
            TooLargeError: the message would exceed the size limit.
            PushasideError: the service answered with another error, or the client is closed.

        """
        outcome = await self._shell.ask(publish_to(topic, data), deadline)
        assert isinstance(outcome, Published)  # noqa: S101  (no other message answers a publish)
        return outcome.position

    def _question(self, compute: str, params: Mapping[str, object] | None, max_age: float | None) -> ComputeQuestion:
        if max_age is not None and not 0 <= max_age < math.inf:
            raise ValueError("max_age must be a number of seconds, 0 or more.")
        return ask_compute(compute, params, max_age=max_age, accept=self._accept)

    async def _ask(
        self, question: ComputeQuestion, deadline: float, on_progress: Callable[[Progress], Any] | None = None
    ) -> Outcome:
        if self._metrics is None:
            return await self._shell.ask(question, deadline, on_progress)
        ask = functools.partial(self._shell.ask, question, deadline)
        return await measured(self._metrics, question.compute, ask, on_progress)


async def open_client(place: Place) -> Client:
    """Connect and return the client.

    If nothing listens at the address, this fails at once. If the service is busy (429, 5xx), the client retries:
    see `Settings.connect_attempts`.

    Raises:
        CannotConnectError: the client cannot connect.
        UnauthorizedError: the service demands a valid token.
        ForbiddenError: the service refuses this caller.

    """
    shell = Shell(place)
    await shell.open()
    return Client(shell)
