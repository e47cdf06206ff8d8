"""Ports of delivery: connections, the delivery queue, and the records of durable requests.

A method raises only the errors that its docstring names.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

import msgspec

from push.cache.jobs import Waiter
from push.delivery.deliveries import Delivery
from push.errors import PushasideError
from push.keys import Key
from push.protocol.frames import CacheState
from push.results import Result


class PostOutcome(enum.StrEnum):
    """The outcome of a push."""

    DELIVERED = "delivered"
    GONE = "gone"
    """The connection is closed."""
    RETRY = "retry"
    """A retry may succeed: throttling, a full client buffer, or a fault of the service or the network."""
    REFUSED = "refused"
    """A retry would fail too: too large, malformed, or not allowed."""


class ClientConnections(Protocol):
    """The management API of the WebSocket API."""

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        """Push text frames, (connection id, frame) each, concurrently; return the outcomes in the frames' order.

        Never raises for what the service answers. Two frames for one connection may arrive in either order.
        """


class GoneConnections(Protocol):
    """The removal of connections that a push found closed."""

    async def forget(self, connection_ids: Sequence[str]) -> None:
        """Remove the rows of connections; a row that is left expires by itself. Idempotent. Never raises."""


class DeliveryQueue(Protocol):
    """The queue of deliveries to retry, for workers."""

    async def send(self, deliveries: Sequence[Delivery], delay_seconds: int) -> None:
        """Send deliveries, delayed by `delay_seconds`; all are durable on return. Raises QueueUnavailableError."""


class DeliverySender(Protocol):
    """The sender to the delivery queue, for functions that answer requests."""

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send deliveries; all are durable when it returns.

        Raises QueueUnavailableError; then some may have been sent.
        """


class AnswerRecorder(Protocol):
    """The records of durable requests, for workers that have the answers."""

    async def record_result(self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState) -> None:
        """Settle requests with a result, and start their delivery. Idempotent.

        Never raises: the queue message of a request whose record was not reached retries it.
        """

    async def record_error(self, waiters: Sequence[Waiter], error: PushasideError) -> None:
        """Settle requests with an error, and start their delivery. Idempotent. Never raises, as `record_result`."""


class Series(msgspec.Struct, frozen=True):
    """Frames to push to one connection in order, in UTF-8; several series may share the same frames."""

    connection_id: str
    frames: Sequence[bytes]


class Posted(msgspec.Struct, frozen=True):
    """The number of a series' frames that arrived, from its start, and the outcome of the frame after them."""

    delivered: int
    outcome: PostOutcome = PostOutcome.DELIVERED


class SeriesConnections(Protocol):
    """The management API, for workers that push to many connections in order."""

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        """Push each series in order, each frame after the one before it arrived; stop a series at its first failure.

        Never raises for what the service answers; the outcomes are in the order of the series. No series delays
        another. A series that exceeds its time ends with RETRY; then its last frame may still arrive.
        """
