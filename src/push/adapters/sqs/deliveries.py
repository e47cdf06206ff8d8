"""The delivery queue: deliveries to make later, and deliveries to retry."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from push.adapters.sqs.sender import QueueMessage, SqsSender
from push.delivery.deliveries import Delivery, serialize_delivery
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies


class SqsDeliverySender:
    """`push.delivery.ports.DeliverySender` on SQS."""

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._sender = SqsSender(client, queue_url, bodies)

    def send(self, deliveries: Sequence[Delivery], delay_seconds: int = 0) -> None:
        """See `DeliverySender.send`."""
        self._sender.send(QueueMessage(serialize_delivery(each), delay_seconds) for each in deliveries)


class SqsDeliveries:
    """`push.delivery.ports.DeliveryQueue` on SQS."""

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._sender = SqsDeliverySender(client, queue_url, bodies)

    async def send(self, deliveries: Sequence[Delivery], delay_seconds: int) -> None:
        """See `DeliveryQueue.send`."""
        await asyncio.to_thread(self._sender.send, deliveries, delay_seconds)
