"""The client as the caller has it: requests, subscriptions and messages over a connection that mends itself."""

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
    """A connection to the service that mends itself; made by `pushaside.connect`, and open from the beginning.

    It belongs to one event loop. Any number of its requests may be under way at once. `async with` closes it. Examples
    are as in `python -m asyncio`, with an open `client`.
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
        """Close the connection; what is unanswered fails with `ConnectionClosedError`. Closing twice does no harm."""
        await self._shell.close()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or has ended for good: it connects no more."""
        return self._shell.has_ended

    async def wait_closed(self) -> None:
        """Wait until it is closed, or has ended for good. It does not end by losing its connection."""
        await self._shell.wait_ended()

    async def request(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deadline: float = 30.0,
        max_age: float | None = None,
    ) -> Result:
        """Ask for the result of a compute and wait for it.

        `deadline` is how many seconds it may take, for the service and for the client; `max_age` is how many seconds
        old the result may be, where 0 has it computed anew and None leaves it to the service. Losses of the
        connection and errors that say when to come back are dealt with in this time. Cancelling frees everything.

        >>> result = await client.request("documents", {"collection": "airports", "ids": ["TX"]}, deadline=10.0)
        >>> result.cache in {"hit", "stale", "miss"}, result.data[0]["state"]
        (True, 'TX')

        Raises:
            RequestTimeoutError: there was no answer before the deadline.
            ConnectionClosedError: the client is closed, or the service said goodbye for good.
            PushasideError: the service answered with an error; its class goes by its code.

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
        """Ask for the result of a compute, and give news of how far it has come, and at last the result.

        It asks, and raises, what `request` does. Whoever takes the news slowly gets the newest of each stage. Leaving
        the iteration gives the request up: at once by `contextlib.aclosing`, soon without.

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
                # It was raised already, or nobody waits for it any more.
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

        It comes with its value, and then with each new one that lasts; a channel brings every message, in order. With
        `since`, a position that was had before, what came after it comes first, or a resync if that is not all
        there any more. With `patches` the service may send what changed of a live result rather than all of it, which
        makes no other difference.

        >>> async with client.subscribe(compute="leaderboard", params={"board": "demo", "top": 3}) as board:
        ...     async for update in board:
        ...         print([each["rank"] for each in update.data])
        ...         break
        [1, 2, 3]

        Raises:
            ValueError: it is neither or both, or since is no position.
            InvalidParamsError: the params hold something that JSON cannot.
            TooLargeError: the message would be larger than a message may be.
            PushasideError: the client is closed.

        """
        subject = subscribe_to(topic, compute, params)
        position = None if since is None else parse_position(since)
        return self._shell.subscribe(subject, position, PATCH if patches else ())

    async def publish(self, topic: str, data: object, *, deadline: float = 30.0) -> str:
        """Publish a message to a channel; return its position there, once it is kept.

        It is published once, however often this has to ask within the deadline, in seconds. After a
        RequestTimeoutError it may have been published or not.

        >>> async with client.subscribe("demo:echo") as messages:
        ...     position = await client.publish("demo:echo", "hello")
        ...     update = await anext(messages)
        >>> update.data, update.position == position
        ('hello', True)

        Raises:
            RequestTimeoutError: there was no answer before the deadline.
            ForbiddenError: the channel is not this caller's to publish to.
            InvalidParamsError: the data cannot be written as JSON.
            TooLargeError: they are larger than a message may be.
            PushasideError: the service answered with another error, or the client is closed.

        """
        outcome = await self._shell.ask(publish_to(topic, data), deadline)
        assert isinstance(outcome, Published)  # noqa: S101  (no other message answers a publish)
        return outcome.position

    def _question(self, compute: str, params: Mapping[str, object] | None, max_age: float | None) -> ComputeQuestion:
        if max_age is not None and not 0 <= max_age < math.inf:
            raise ValueError("max_age is a number of seconds, 0 or more.")
        return ask_compute(compute, params, max_age=max_age, accept=self._accept)

    async def _ask(
        self, question: ComputeQuestion, deadline: float, on_progress: Callable[[Progress], Any] | None = None
    ) -> Outcome:
        if self._metrics is None:
            return await self._shell.ask(question, deadline, on_progress)
        ask = functools.partial(self._shell.ask, question, deadline)
        return await measured(self._metrics, question.compute, ask, on_progress)


async def open_client(place: Place) -> Client:
    """Connect.

    If nothing is there, this fails at once. If the service is there but busy (429, 5xx), it is tried again some times:
    see `Settings.connect_attempts`.

    Raises:
        CannotConnectError: no connection came about.
        UnauthorizedError: the service asks for a valid token.
        ForbiddenError: the service does not let this caller in.

    """
    shell = Shell(place)
    await shell.open()
    return Client(shell)
