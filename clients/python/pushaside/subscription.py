"""A subscription as the caller has it: an iterator over what is new."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Protocol, Self

from pushaside.errors import PushasideError
from pushaside.protocol.topic_messages import Presence
from pushaside.session.feeds import Feed, Update

_MOST_PRESENCE = 100


class Source(Protocol):
    """Where a subscription comes from: a client."""

    def take_update(self, feed: Feed) -> Update | None:
        """Take the next update, if it is there."""

    def unsubscribe(self, feed: Feed) -> None:
        """Give the subscription back."""


class Subscription:
    """What is new of a topic, in order and each once, through all losses of the connection; made by a client.

    >>> async with client.subscribe("demo:prices") as prices:
    ...     await client.publish("demo:prices", {"bid": 1.1})
    ...     async for update in prices:
    ...         print(update.position == prices.position, update.data)
    ...         break
    '...:...'
    True {'bid': 1.1}

    Entering it waits until it holds. It is for one task to iterate over. If nobody takes the updates, so many wait as
    `Settings.max_queued_updates` says: of a channel no more are kept then, and the rest is had from the service's
    history once there is room; of a live result only the newest waits.
    """

    def __init__(self, source: Source, feed: Feed) -> None:
        self._source = source
        self._feed = feed
        self._is_closed = False
        self._changed = asyncio.Event()
        self._presence: deque[Presence] = deque(maxlen=_MOST_PRESENCE)

    @property
    def topic(self) -> str | None:
        """The topic's name; that of a live result is None until the subscription holds."""
        return self._feed.topic

    @property
    def position(self) -> str | None:
        """How far the updates go that were taken, to subscribe `since` later; None until the subscription holds."""
        taken = self._feed.taken
        return None if taken is None else str(taken)

    @property
    def value(self) -> Any:  # noqa: ANN401  (JSON of the compute's making)
        """The newest value of a live result, taken or not; None if there is none yet, and for channels."""
        return self._feed.value

    @property
    def failure(self) -> PushasideError | None:
        """What a live result can't be computed for at the moment, if so; `value` is then the last that could."""
        return self._feed.failure

    @property
    def holds(self) -> bool:
        """Whether it holds at the moment; if not, what is new is had once there is a connection again."""
        return self._feed.holds

    async def changed(self) -> None:
        """Wait until there may be something new, or `holds` or `failure` has changed."""
        await self._wait()

    async def presence(self) -> AsyncGenerator[Presence, None]:
        """Iterate over who else comes and goes, where the topic has presence; not before one looks at the updates.

        It is for one task, which may be another one than that of the updates. Of what nobody takes the newest 100
        wait. The service tells each once and keeps none, so after a loss of the connection some may be missing:
        `count` is right with the next that comes.

        >>> async with client.subscribe("demo:lobby") as lobby:
        ...     async for each in lobby.presence():
        ...         print(each.count, each.joined)
        ...         break
        1 ('anonymous',)

        Raises:
            PushasideError: there will be none: the subscription was refused, or the client is closed.

        """
        while not self._is_closed:
            while self._presence:
                yield self._presence.popleft()
            if self._feed.error is not None:
                raise self._feed.error
            await self._wait()

    async def __aenter__(self) -> Self:
        """Wait until the subscription holds.

        Raises:
            PushasideError: it is refused; the class goes by the code.

        """
        try:
            while not self._feed.is_subscribed and self._feed.error is None and not self._is_closed:
                await self._wait()
        except asyncio.CancelledError:
            self.close()
            raise
        if self._feed.error is not None and not self._feed.is_subscribed:
            self.close()
            raise self._feed.error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        """Wait for the next update.

        Raises:
            PushasideError: there will be none: the subscription was refused, or the client is closed.

        """
        while not self._is_closed:
            if (update := self._source.take_update(self._feed)) is not None:
                return update
            if self._feed.error is not None:
                raise self._feed.error
            await self._wait()
        raise StopAsyncIteration

    def close(self) -> None:
        """Unsubscribe; who iterates is at the end. Closing twice does no harm."""
        if not self._is_closed:
            self._is_closed = True
            self._source.unsubscribe(self._feed)
            self.notify()

    def notify(self) -> None:
        """Wake up who waits; called by the client when something has changed."""
        self._changed.set()

    def tell_presence(self, presence: Presence) -> None:
        """Take who has come and gone; called by the client."""
        self._presence.append(presence)
        self.notify()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
