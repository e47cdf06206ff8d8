"""The client: carries out on asyncio what a `pushaside.session.Session` decides."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random as system_random
import secrets
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Self, assert_never
from urllib.parse import urlsplit

from pushaside.connection import Connection, check_url, open_connection
from pushaside.downloads import Downloads
from pushaside.effects import Close, Connect, Effect, End, Fetch, Notify, Outcome, Send, Settle
from pushaside.errors import CannotConnectError, ConnectionClosedError, PushasideError
from pushaside.feeds import Feed, Update
from pushaside.messages import Result, read_message
from pushaside.positions import parse_position
from pushaside.questions import GZIP, PingQuestion, Question, ask_compute
from pushaside.session import Session
from pushaside.settings import Settings
from pushaside.subscription import Subscription
from pushaside.topic_messages import Published
from pushaside.topic_questions import PATCH, publish_to, subscribe_to

logger = logging.getLogger("pushaside")

Token = str | Callable[[], Awaitable[str]]
"""A token, or how to get one: the latter is called before every attempt to connect, so that it may be renewed."""


class Client:
    """A connection to the service that mends itself; made by `pushaside.connect`.

    It belongs to one event loop. Any number of its requests may be under way at once.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None,
        settings: Settings,
        tls: ssl.SSLContext | None,
        random: Callable[[], float],
    ) -> None:
        self._url = url
        self._token = token
        self._settings = settings
        self._tls = tls
        # Unique among all clients by 64 random bits, among this client's by the count.
        prefix, count = secrets.token_hex(8), itertools.count(1)
        self._session = Session(settings, random=random, new_id=lambda: f"{prefix}-{next(count):x}")
        self._link_ids = itertools.count(1)
        self._connections: dict[int, Connection] = {}
        self._futures: dict[str, asyncio.Future[Outcome]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._downloads = Downloads(settings, tls=tls, host=urlsplit(url).hostname)
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._opened: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect; `async with` does it.

        If nothing is there, this fails at once. If the service is there but busy (429, 5xx), it is tried again some
        times: see `Settings.connect_attempts`.

        Raises:
            CannotConnectError: no connection came about.
            UnauthorizedError: the service asks for a valid token.
            ForbiddenError: the service does not let this caller in.

        """
        if self._opened is not None:
            raise RuntimeError("A client is opened once.")
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        self._session.start()
        self._carry_out()
        try:
            await self._opened
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; what is unanswered fails with `ConnectionClosedError`. Closing twice does no harm."""
        self._session.end(ConnectionClosedError("The client was closed."))
        self._carry_out()
        while self._tasks:
            await asyncio.wait(self._tasks)

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

            result = await client.request("documents", {"collection": "airports", "ids": ["TX"]}, deadline=5.0)
            print(result.cache, result.age, result.data)

        Raises:
            RequestTimeoutError: there was no answer before the deadline.
            ConnectionClosedError: the client is closed, or the service said goodbye for good.
            PushasideError: the service answered with an error; its class goes by its code.

        """
        if max_age is not None and not 0 <= max_age < math.inf:
            raise ValueError("max_age is a number of seconds, 0 or more.")
        accept = GZIP if self._settings.accept_gzip else ()
        outcome = await self._ask(ask_compute(compute, params, max_age=max_age, accept=accept), deadline)
        assert isinstance(outcome, Result)  # noqa: S101  (no other message answers a request)
        return outcome

    async def ping(self, *, deadline: float = 10.0) -> float:
        """Measure the round trip to the service, in seconds.

        Raises:
            RequestTimeoutError: there was no answer before the deadline, in seconds.
            ConnectionClosedError: the client is closed.

        """
        outcome = await self._ask(PingQuestion(), deadline)
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

            async with client.subscribe(compute="leaderboard", params={"board": "demo", "top": 10}) as board:
                async for update in board:
                    print(update.data)

        Raises:
            ValueError: it is neither or both, or since is no position.
            InvalidParamsError: the params hold something that JSON cannot.
            TooLargeError: the message would be larger than a message may be.
            PushasideError: the client is closed.

        """
        self._check_open()
        subject = subscribe_to(topic, compute, params)
        position = None if since is None else parse_position(since)
        feed = self._session.subscribe(subject, position, self._loop.time(), PATCH if patches else ())
        subscription = self._subscriptions[feed.id] = Subscription(self, feed)
        self._carry_out()
        return subscription

    async def publish(self, topic: str, data: object, *, deadline: float = 30.0) -> str:
        """Publish a message to a channel; return its position there, once it is kept.

        It is published once, however often this has to ask within the deadline, in seconds. After a
        RequestTimeoutError it may have been published or not.

        Raises:
            RequestTimeoutError: there was no answer before the deadline.
            ForbiddenError: the channel is not this caller's to publish to.
            InvalidParamsError: the data cannot be written as JSON.
            TooLargeError: they are larger than a message may be.
            PushasideError: the service answered with another error, or the client is closed.

        """
        outcome = await self._ask(publish_to(topic, data), deadline)
        assert isinstance(outcome, Published)  # noqa: S101  (no other message answers a publish)
        return outcome.position

    def take_update(self, feed: Feed) -> Update | None:
        """Take the next update of a subscription; for `Subscription` alone."""
        update = self._session.take_update(feed.id, self._loop.time())
        self._carry_out()
        return update

    def unsubscribe(self, feed: Feed) -> None:
        """Give a subscription back; for `Subscription` alone."""
        del self._subscriptions[feed.id]
        self._session.unsubscribe(feed.id, self._loop.time())
        self._carry_out()

    def _check_open(self) -> None:
        if self._opened is None:
            raise RuntimeError("The client is not open: use it in `async with`.")

    async def _ask(self, question: Question, deadline: float) -> Outcome:
        self._check_open()
        if not 0 < deadline < math.inf:
            raise ValueError("deadline is a number of seconds, more than 0.")
        question_id = self._session.ask(question, deadline, self._loop.time())
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._futures[question_id] = future
        self._carry_out()
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(question_id, future)
            raise

    def _forget(self, question_id: str, future: asyncio.Future[Outcome]) -> None:
        if self._futures.pop(question_id, None) is not None:
            self._session.forget(question_id)
            self._stop_fetching(question_id)
            self._carry_out()
        elif not future.cancelled():
            # It was settled in the same turn of the loop; asyncio would report an error that nobody retrieved.
            future.exception()

    def _carry_out(self) -> None:
        """Do what the session wants done, and wake up when it next has something to do."""
        for effect in self._session.take_effects():
            self._carry_out_one(effect)
        at = self._session.next_at()
        if at is None:
            self._disarm()
        elif at < self._timer_at:
            # A timer that comes too early costs less than setting a new one whenever something is answered.
            self._disarm()
            self._timer, self._timer_at = self._loop.call_at(at, self._tick), at

    def _carry_out_one(self, effect: Effect) -> None:
        match effect:
            case Send():
                if (connection := self._connections.get(effect.link)) is not None:
                    connection.post(effect.message, self._session.frame_bytes)
            case Settle():
                self._settle(effect)
            case Fetch():
                self._fetching[effect.id] = self._start(self._fetch(effect))
            case Connect():
                self._connecting = self._start(self._connect(effect.after_seconds))
            case Close():
                if (connection := self._connections.get(effect.link)) is not None:
                    self._start(connection.close())
            case Notify():
                if (subscription := self._subscriptions.get(effect.id)) is not None:
                    subscription.notify()
            case End():
                self._end(effect.error)
            case _:
                assert_never(effect)

    def _settle(self, settle: Settle) -> None:
        self._stop_fetching(settle.id)
        future = self._futures.pop(settle.id, None)
        if future is None or future.done():
            return
        if isinstance(settle.outcome, PushasideError):
            future.set_exception(settle.outcome)
        else:
            future.set_result(settle.outcome)

    async def _fetch(self, fetch: Fetch) -> None:
        outcome = await self._downloads.fetch(fetch.linked)
        self._fetching.pop(fetch.id, None)
        self._session.fetched(fetch.id, outcome, self._loop.time())
        self._carry_out()

    def _stop_fetching(self, question_id: str) -> None:
        task = self._fetching.pop(question_id, None)
        if task is not None:
            task.cancel()

    def _end(self, error: PushasideError) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        for question_id in list(self._fetching):
            self._stop_fetching(question_id)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(error)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    def _tick(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._session.tick(self._loop.time())
        self._carry_out()

    async def _connect(self, after_seconds: float) -> None:
        if after_seconds > 0:
            logger.info("connecting again in %.1f s", after_seconds)
            await asyncio.sleep(after_seconds)
        try:
            token = await self._get_token()
            connection = await open_connection(self._url, token, self._settings, self._tls)
        except PushasideError as exc:
            logger.info("could not connect: %s", exc.message)
            self._session.connect_failed(exc, self._loop.time())
        else:
            link_id = next(self._link_ids)
            self._connections[link_id] = connection
            self._start(self._listen(link_id, connection))
            self._session.link_opened(link_id, self._loop.time())
            if self._opened is not None and not self._opened.done():
                self._opened.set_result(None)
        self._carry_out()

    async def _get_token(self) -> str | None:
        if self._token is None or isinstance(self._token, str):
            return self._token
        try:
            return await self._token()
        except Exception as exc:
            # It is the caller's own function: whatever it raises, there is no token and so no connection.
            raise CannotConnectError(f"There is no token: {exc}", is_answered=False) from exc

    async def _listen(self, link_id: int, connection: Connection) -> None:
        try:
            async for text in connection:
                message = read_message(text, self._settings.max_result_bytes)
                self._session.received(link_id, message, self._loop.time())
                self._carry_out()
        finally:
            del self._connections[link_id]
            self._session.link_lost(link_id, self._loop.time())
            self._carry_out()

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (exc := task.exception()) is None:
            return
        # Nothing is expected to get here; if it does, nobody is left waiting for an answer.
        logger.error("the client broke", exc_info=exc)
        error = ConnectionClosedError("The client broke; its log says how.")
        error.__cause__ = exc
        self._session.end(error)
        self._carry_out()


def connect(
    url: str,
    *,
    token: Token | None = None,
    settings: Settings | None = None,
    tls: ssl.SSLContext | None = None,
    random: Callable[[], float] = system_random.random,
) -> Client:
    """Make a client for the service at a URL; `async with` connects it, and closes it in the end.

        async with pushaside.connect("ws://127.0.0.1:8080/v1") as client:
            result = await client.request("documents", {"collection": "airports", "ids": ["TX"]})

    `token` is sent as `Authorization: Bearer`; an async function that returns one is called before every attempt to
    connect. `tls` replaces the default context of `wss` URLs. `random` gives numbers in [0, 1) for jitter.

    Raises:
        ValueError: the URL is not one of a WebSocket.

    """
    check_url(url)
    return Client(url, token=token, settings=settings or Settings(), tls=tls, random=random)
