"""Delivery of frames to connections: one attempt at once, then retries through the queue until success or expiry."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Sequence

import msgspec

from push.backoff import backoff_seconds
from push.delivery.deliveries import Delivery
from push.delivery.ports import ClientConnections, DeliveryQueue, GoneConnections, PostOutcome
from push.errors import QueueUnavailableError
from push.metrics import Counter, Metric


class Deliverer(msgspec.Struct, frozen=True, kw_only=True):
    """Delivers frames for one execution environment.

    Args:
        connections: the management API.
        records: removes connections that a push found closed.
        queue: the queue of deliveries to retry.
        counter: counts outcomes.
        now_ms: the clock, in milliseconds since 1970.
        random: returns a number in [0, 1); spreads retries.

    """

    connections: ClientConnections
    records: GoneConnections
    queue: DeliveryQueue
    counter: Counter
    now_ms: Callable[[], int]
    random: Callable[[], float]

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Attempt each delivery once and queue those to retry.

        Returns the deliveries that should be retried and that the queue did not accept.
        """
        if not deliveries:
            return []
        outcomes = await self.connections.post_all([(each.connection_id, each.frame) for each in deliveries])
        gone = [each.connection_id for each, outcome in zip(deliveries, outcomes, strict=True) if outcome == "gone"]
        if gone:
            await self.records.forget(gone)
        retries = [each for each, outcome in zip(deliveries, outcomes, strict=True) if outcome == "retry"]
        now_ms = self.now_ms()
        alive = [each for each in retries if each.until_ms > now_ms]
        self._count(outcomes, expired=len(retries) - len(alive))
        return await self._queue_again(alive)

    async def _queue_again(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        unqueued: list[Delivery] = []
        for attempt in sorted({each.attempt for each in deliveries}):
            same = [each for each in deliveries if each.attempt == attempt]
            delay_seconds = math.ceil(backoff_seconds(attempt, self.random()))
            try:
                await self.queue.send([each.again() for each in same], delay_seconds)
            except QueueUnavailableError:
                unqueued += same
        return unqueued

    def _count(self, outcomes: Sequence[PostOutcome], *, expired: int) -> None:
        tally = Tally(outcomes)
        counted = {
            "delivered": tally[PostOutcome.DELIVERED],
            "gone": tally[PostOutcome.GONE],
            "retried": tally[PostOutcome.RETRY] - expired,
            "failed": tally[PostOutcome.REFUSED] + expired,
        }
        for outcome, number in counted.items():
            if number:
                self.counter.count(Metric.PUSH, number, dimension=("Outcome", outcome))
