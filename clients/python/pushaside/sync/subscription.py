"""A blocking subscription: its updates, its presence messages and its state."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from pushaside import subscription
from pushaside.errors import PushasideError
from pushaside.protocol.topic_messages import Presence
from pushaside.session.feeds import Update
from pushaside.sync.loop_thread import LoopThread


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
