"""The queues of durable requests: one of unsettled requests, one of answers to deliver."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from push.adapters.sqs.sender import QueueMessage, SqsSender
from push.durable.requests import QueuedRequest, WebhookJob, serialize_message
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies


class SqsRequests:
    """`push.durable.ports.RequestQueue` on SQS; each tenant is a message group."""

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._sender = SqsSender(client, queue_url, bodies)

    def send(self, requests: Sequence[tuple[QueuedRequest, int]]) -> None:
        """See `RequestQueue.send`."""
        self._sender.send(
            QueueMessage(serialize_message(request), delay_seconds, request.tenant)
            for request, delay_seconds in requests
        )


class SqsWebhooks:
    """`push.durable.ports.WebhookQueue` on SQS; each tenant is a message group."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._sender = SqsSender(client, queue_url)

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        """See `WebhookQueue.send`."""
        messages = [QueueMessage(serialize_message(each), delay_seconds, each.tenant) for each in jobs]
        await asyncio.to_thread(self._sender.send, messages)
