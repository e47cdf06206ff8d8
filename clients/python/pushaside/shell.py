"""The asyncio side of a `Session`: connections, timers, and the futures that callers await."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import secrets
from collections.abc import Callable
from typing import assert_never
from urllib.parse import urlsplit

from pushaside import metrics as hooks
from pushaside.alarm import Alarm
from pushaside.connection import Connection, open_connection
from pushaside.errors import ConnectionClosedError, PushasideError
from pushaside.http.downloads import Downloads
from pushaside.place import Place, get_token
from pushaside.progress import Progress
from pushaside.protocol.messages import read_message
from pushaside.protocol.positions import Position
from pushaside.protocol.questions import Question
from pushaside.protocol.topic_questions import Subject
from pushaside.session.effects import (
    Close,
    Connect,
    Effect,
    End,
    Fetch,
    Notify,
    Outcome,
    Report,
    Send,
    Settle,
    TellPresence,
)
from pushaside.session.feeds import Feed, Update
from pushaside.session.session import Session
from pushaside.subscription import Subscription
from pushaside.tasks import Tasks

logger = logging.getLogger("pushaside")


class Shell:
    """A session on one event loop, with the connections, timers and futures that it needs."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._settings = place.settings
        # Unique among all clients by 64 random bits, among this client's by the count.
        prefix, count = secrets.token_hex(8), itertools.count(1)
        self._session = Session(place.settings, random=place.random, new_id=lambda: f"{prefix}-{next(count):x}")
        self._link_ids = itertools.count(1)
        self._connections: dict[int, Connection] = {}
        self._futures: dict[str, asyncio.Future[Outcome]] = {}
        self._watching: dict[str, Callable[[Progress], None]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._downloads = Downloads(place.settings, tls=place.tls, host=urlsplit(place.url).hostname)
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(self._loop, self._fail)
        self._alarm = Alarm(self._loop, self._session.next_at, self._tick)
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        """Whether the session has ended for good."""
        return self._ended.is_set()

    async def wait_ended(self) -> None:
        """Wait until the session has ended."""
        await self._ended.wait()

    async def open(self) -> None:
        """Connect for the first time.

        Raises:
            PushasideError: the connection failed or was refused.

        """
        self._session.start()
        self._carry_out()
        try:
            await self._opened
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; unanswered questions fail with `ConnectionClosedError`. A second call does nothing."""
        self._session.end(ConnectionClosedError("The client was closed."))
        self._carry_out()
        await self._tasks.wait()

    async def ask(
        self, question: Question, deadline: float, on_progress: Callable[[Progress], None] | None = None
    ) -> Outcome:
        """Ask a question and wait for its outcome for `deadline` seconds; `on_progress` receives its progress.

        Raises:
            PushasideError: the outcome is an error.

        """
        if not 0 < deadline < math.inf:
            raise ValueError("deadline must be a number of seconds, more than 0.")
        is_watched = on_progress is not None
        question_id = self._session.ask(question, deadline, self._loop.time(), is_watched=is_watched)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._futures[question_id] = future
        if on_progress is not None:
            self._watching[question_id] = on_progress
        self._carry_out()
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(question_id, future)
            raise

    def subscribe(self, subject: Subject, since: Position | None, accept: tuple[str, ...]) -> Subscription:
        """Subscribe, and return the subscription before the service has answered.

        Raises:
            PushasideError: the message would be too large, or the client is closed.

        """
        feed = self._session.subscribe(subject, since, self._loop.time(), accept)
        subscription = self._subscriptions[feed.id] = Subscription(self, feed)
        self._carry_out()
        return subscription

    def take_update(self, feed: Feed) -> Update | None:
        """Return the next update of a subscription; None if there is none yet."""
        update = self._session.take_update(feed.id, self._loop.time())
        self._carry_out()
        if update is not None and self.place.metrics is not None:
            hooks.call(self.place.metrics.update_taken, update.topic, feed.waiting)
        return update

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription."""
        del self._subscriptions[feed.id]
        self._session.unsubscribe(feed.id, self._loop.time())
        self._carry_out()

    def _forget(self, question_id: str, future: asyncio.Future[Outcome]) -> None:
        if self._futures.pop(question_id, None) is not None:
            self._watching.pop(question_id, None)
            self._session.forget(question_id)
            self._stop_fetching(question_id)
            self._carry_out()
        elif not future.cancelled():
            # It was settled in the same turn of the loop; asyncio would report its error as never retrieved.
            future.exception()

    # Effects

    def _carry_out(self) -> None:
        """Carry out the session's effects, and set the alarm for its next tick."""
        for effect in self._session.take_effects():
            self._carry_out_one(effect)
        if self._alarm.is_idle:
            self._alarm.set_soon()

    def _carry_out_one(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(effect)
            case Settle():
                self._settle(effect)
            case Report():
                self._report(effect)
            case Fetch():
                self._fetching[effect.id] = self._tasks.start(self._fetch(effect))
            case Connect():
                self._connecting = self._tasks.start(self._connect(effect.after_seconds))
            case Close():
                self._close(effect)
            case Notify():
                self._notify(effect)
            case TellPresence():
                self._tell_presence(effect)
            case End():
                self._end(effect.error)
            case _:
                assert_never(effect)

    def _send(self, send: Send) -> None:
        if (connection := self._connections.get(send.link)) is not None:
            connection.post(send.message, self._session.frame_bytes)

    def _close(self, close: Close) -> None:
        if (connection := self._connections.get(close.link)) is not None:
            self._tasks.start(connection.close())

    def _notify(self, notify: Notify) -> None:
        if (subscription := self._subscriptions.get(notify.id)) is not None:
            subscription.notify()

    def _tell_presence(self, told: TellPresence) -> None:
        if (subscription := self._subscriptions.get(told.id)) is not None:
            subscription.tell_presence(told.presence)

    def _report(self, report: Report) -> None:
        if (on_progress := self._watching.get(report.id)) is not None:
            on_progress(report.progress)

    def _settle(self, settle: Settle) -> None:
        if self._fetching:
            self._stop_fetching(settle.id)
        if self._watching:
            self._watching.pop(settle.id, None)
        future = self._futures.pop(settle.id, None)
        if future is None or future.done():
            return
        if isinstance(settle.outcome, PushasideError):
            future.set_exception(settle.outcome)
        else:
            future.set_result(settle.outcome)

    def _end(self, error: PushasideError) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        for question_id in list(self._fetching):
            self._stop_fetching(question_id)
        if not self._opened.done():
            self._opened.set_exception(error)
        self._alarm.stop()
        self._ended.set()

    def _tick(self) -> None:
        self._session.tick(self._loop.time())
        self._carry_out()

    # The network

    async def _fetch(self, fetch: Fetch) -> None:
        outcome = await self._downloads.fetch(fetch.linked, self._fetch_watcher(fetch.id))
        self._fetching.pop(fetch.id, None)
        self._session.fetched(fetch.id, outcome, self._loop.time())
        self._carry_out()

    def _fetch_watcher(self, question_id: str) -> Callable[[int, int | None], None] | None:
        if question_id not in self._watching:
            return None

        def report(received: int, expected: int | None) -> None:
            self._session.fetching(question_id, received, expected)
            self._carry_out()

        return report

    def _stop_fetching(self, question_id: str) -> None:
        task = self._fetching.pop(question_id, None)
        if task is not None:
            task.cancel()

    async def _connect(self, after_seconds: float) -> None:
        if after_seconds > 0:
            logger.info("reconnecting in %.1f s", after_seconds)
            await asyncio.sleep(after_seconds)
        started = self._loop.time()
        try:
            token = await get_token(self.place.token)
            connection = await open_connection(self.place.url, token, self._settings, self.place.tls)
        except PushasideError as exc:
            logger.info("could not connect: %s", exc.message)
            self._session.connect_failed(exc, self._loop.time())
        else:
            self._connected(connection, self._loop.time() - started)
        self._carry_out()

    def _connected(self, connection: Connection, seconds: float) -> None:
        link_id = next(self._link_ids)
        self._connections[link_id] = connection
        self._tasks.start(self._listen(link_id, connection))
        self._session.link_opened(link_id, self._loop.time())
        if not self._opened.done():
            self._opened.set_result(None)
        if self.place.metrics is not None:
            hooks.call(self.place.metrics.connected, seconds)

    async def _listen(self, link_id: int, connection: Connection) -> None:
        session, max_bytes, now = self._session, self._settings.max_result_bytes, self._loop.time

        def take(text: bytes) -> None:
            session.received(link_id, read_message(text, max_bytes), now())
            self._carry_out()

        try:
            await connection.listen(take)
        finally:
            del self._connections[link_id]
            if self.place.metrics is not None:
                hooks.call(self.place.metrics.disconnected, *connection.ending)
            self._session.link_lost(link_id, self._loop.time())
            self._carry_out()

    def _fail(self, exc: BaseException) -> None:
        # A bug in the client. Ending the session leaves no caller waiting.
        logger.error("the client failed", exc_info=exc)
        error = ConnectionClosedError("The client has a fault; its log says which.")
        error.__cause__ = exc
        self._session.end(error)
        self._carry_out()
