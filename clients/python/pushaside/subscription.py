"""The subscription that callers use: an iterator over the updates of a topic."""

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
    """The client that a subscription belongs to."""

    def take_update(self, feed: Feed) -> Update | None:
        """Return the next update; None if there is none yet."""

    def unsubscribe(self, feed: Feed) -> None:
        """End the subscription."""


class Subscription:
    """The updates of a topic, in order and each once, through all reconnects; made by a client.

    >>> async with client.subscribe("demo:prices") as prices:
    ...     await client.publish("demo:prices", {"bid": 1.1})
    ...     async for update in prices:
    ...         print(update.position == prices.position, update.data)
    ...         break
    '...:...'
    True {'bid': 1.1}

    Entering the block waits until the subscription is active. One task may iterate over the updates. For a channel, up
    to `Settings.max_queued_updates` wait to be taken, and the client fetches later ones from the service's history
    once there is room. For a live result, only the newest waits.
    """

    def __init__(self, source: Source, feed: Feed) -> None:
        self._source = source
        self._feed = feed
        self._is_closed = False
        self._changed = asyncio.Event()
        self._presence: deque[Presence] = deque(maxlen=_MOST_PRESENCE)

    @property
    def topic(self) -> str | None:
        """The topic's name; None for a live result until the subscription is active."""
        return self._feed.topic

    @property
    def position(self) -> str | None:
        """The position of the last update taken, to subscribe `since` it later; None until it is known."""
        taken = self._feed.taken
        return None if taken is None else str(taken)

    @property
    def value(self) -> Any:  # noqa: ANN401  (JSON of the compute's making)
        """The newest value of a live result, taken or not; None for channels, and before the first value."""
        return self._feed.value

    @property
    def failure(self) -> PushasideError | None:
        """The error of a live result whose compute fails at the moment; `value` is then the last good one."""
        return self._feed.failure

    @property
    def holds(self) -> bool:
        """Whether the subscription is active; if not, missed updates follow after the client has reconnected."""
        return self._feed.holds

    async def changed(self) -> None:
        """Wait until there may be an update, or until `holds` or `failure` has changed."""
        await self._wait()

    async def presence(self) -> AsyncGenerator[Presence, None]:
        """Iterate over the subscribers that join and leave, if the topic has presence.

        One task may iterate, and another one over the updates. The newest 100 messages wait to be taken. The service
        sends each message once and stores none, so some may be missing after a lost connection; the next `count` is
        correct again.

        >>> async with client.subscribe("demo:lobby") as lobby:
        ...     async for each in lobby.presence():
        ...         print(each.count, each.joined)
        ...         break
        1 ('anonymous',)

        Raises:
            PushasideError: the subscription was refused, or the client is closed.

        """
        while not self._is_closed:
            while self._presence:
                yield self._presence.popleft()
            if self._feed.error is not None:
                raise self._feed.error
            await self._wait()

    async def __aenter__(self) -> Self:
        """Wait until the subscription is active.

        Raises:
            PushasideError: the service refused it; the code decides the class.

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
            PushasideError: the subscription was refused, or the client is closed.

        """
        while not self._is_closed:
            if (update := self._source.take_update(self._feed)) is not None:
                return update
            if self._feed.error is not None:
                raise self._feed.error
            await self._wait()
        raise StopAsyncIteration

    def close(self) -> None:
        """Unsubscribe, which ends all iterations. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._source.unsubscribe(self._feed)
            self.notify()

    def notify(self) -> None:
        """Wake the waiting tasks; the client calls this when something has changed."""
        self._changed.set()

    def tell_presence(self, presence: Presence) -> None:
        """Queue a presence message; the client calls this."""
        self._presence.append(presence)
        self.notify()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
