"""The outside as deliveries see it: connections, the delivery queue, and the records of durable requests.

Every method may raise the `TransientError` named in its docstring and no other error.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from push.cache.jobs import Waiter
from push.delivery.deliveries import Delivery
from push.errors import PushasideError
from push.keys import Key
from push.protocol.frames import CacheState
from push.results import Result


class PostOutcome(enum.StrEnum):
    """What became of a frame."""

    DELIVERED = "delivered"
    GONE = "gone"
    """The connection is closed, for good."""
    RETRY = "retry"
    """Throttled, a full client buffer, or a fault of the service or the network: another try may succeed."""
    REFUSED = "refused"
    """Another try would be refused likewise: too large, malformed, not allowed."""


class ClientConnections(Protocol):
    """The management API of the WebSocket API, and the record of who is connected."""

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        """Send text frames to connections, (connection id, frame) each, as many at a time as pay.

        Never raises for what the service answers: the outcomes are in the order of the frames.
        """


class GoneConnections(Protocol):
    """The table of connections, as those see it who find connections gone."""

    async def forget(self, connection_ids: Sequence[str]) -> None:
        """Remove connections from the records; their rows would expire by themselves otherwise. Never raises."""


class DeliveryQueue(Protocol):
    """The queue of deliveries that are to be tried again."""

    async def send(self, deliveries: Sequence[Delivery], delay_seconds: int) -> None:
        """Send deliveries; all are durable when it returns. Raises QueueUnavailableError."""


class DeliverySender(Protocol):
    """The entrance of the same queue, for those who answer requests."""

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send deliveries; all are durable when it returns.

        Raises QueueUnavailableError, and then some may have been sent.
        """


class AnswerRecorder(Protocol):
    """The records of durable requests, as those see it who have their answers."""

    async def record_result(self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState) -> None:
        """Settle requests with a result, and begin their delivery.

        Never raises: a request whose record was not reached asks again by itself.
        """

    async def record_error(self, waiters: Sequence[Waiter], error: PushasideError) -> None:
        """Settle requests with an error, and begin its delivery. Never raises, as `record_result`."""


@dataclass(frozen=True, slots=True)
class Series:
    """What one connection is to be pushed, in UTF-8; the frames may be shared with other connections' series."""

    connection_id: str
    frames: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Posted:
    """How many frames of a series arrived, from its start on, and what became of the one after them, if any."""

    delivered: int
    outcome: PostOutcome = PostOutcome.DELIVERED


class SeriesConnections(Protocol):
    """The management API, as those see it who push to many connections in order."""

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        """Push each series, a frame once the one before it has arrived, and stop at its first that does not.

        Never raises for what the service answers: the outcomes are in the order of the series. No series holds up
        another, and one that is not done in its time ends with RETRY: then its frame may still arrive.
        """
