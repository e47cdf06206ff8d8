"""The delivery queue: deliveries that are not made at the spot, and those to be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.deliveries import Delivery, serialize_delivery
from push.errors import QueueUnavailableError

_BATCH_MESSAGES = 10
_BATCH_BYTES = 1024 * 1024
"""SQS takes ten messages and 1 MiB a call ("Amazon SQS message quotas", Developer Guide)."""


class SqsDeliverySender:
    """`push.ports.DeliverySender` on SQS."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._queue_url = queue_url

    def send(self, deliveries: Sequence[Delivery], delay_seconds: int = 0) -> None:
        """See `DeliverySender.send`."""
        for bodies in _batches(map(serialize_delivery, deliveries)):
            self._send(bodies, delay_seconds)

    def _send(self, bodies: Sequence[str], delay_seconds: int) -> None:
        entries = [
            {"Id": str(index), "MessageBody": body, "DelaySeconds": delay_seconds} for index, body in enumerate(bodies)
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as exc:
            raise QueueUnavailableError(f"SQS did not take a delivery: {exc}") from exc
        if failed := answer.get("Failed"):
            raise QueueUnavailableError(f"SQS did not take a delivery: {failed[0].get('Message', failed[0]['Code'])}")


class SqsDeliveries:
    """`push.ports.DeliveryQueue` on SQS."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401
        self._sender = SqsDeliverySender(client, queue_url)

    async def send(self, deliveries: Sequence[Delivery], delay_seconds: int) -> None:
        """See `DeliveryQueue.send`."""
        await asyncio.to_thread(self._sender.send, deliveries, delay_seconds)


def _batches(bodies: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size_bytes = 0
    for body in bodies:
        body_bytes = len(body.encode())
        if batch and (len(batch) == _BATCH_MESSAGES or size_bytes + body_bytes > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(body)
        size_bytes += body_bytes
    if batch:
        yield batch
