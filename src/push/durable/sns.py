"""One attempt to publish an answer to an SNS topic, with the message of a webhook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import msgspec

from push.durable.ports import AttemptOutcome, SnsPublisher
from push.durable.requests import RequestRecord
from push.durable.webhook_messages import LINK_SECONDS, TYPES, render_message, webhook_id, without_data
from push.protocol.ports import Payloads

MAX_MESSAGE_BYTES = 250_000
"""SNS accepts 256 KB, attributes included ("Amazon SNS endpoints and quotas", AWS General Reference)."""


class TopicPublisher(msgspec.Struct, frozen=True, kw_only=True):
    """`push.durable.ports.AnswerSender` for SNS topics.

    Args:
        topics: publishes to SNS.
        allowed: ARNs of the topics that may receive results.
        payloads: makes links to large data.
        store_payload: stores data under a name, as `Payloads.put` does, without blocking the event loop.

    """

    topics: SnsPublisher
    allowed: Collection[str]
    payloads: Payloads
    store_payload: Callable[[str, bytes], Awaitable[None]]

    async def send(self, record: RequestRecord) -> AttemptOutcome:
        """See `AnswerSender.send`."""
        arn = record.deliver.sns or ""
        if arn not in self.allowed:
            return AttemptOutcome(
                error="This SNS topic may not receive results. Add its ARN to SNS_TOPIC_ARNS.", is_final=True
            )
        attributes = {"type": TYPES[record.status], "id": webhook_id(record)}
        return await self.topics.publish(arn, (await self._render(record)).decode(), attributes)

    async def _render(self, record: RequestRecord) -> bytes:
        name = record.payload
        if not name:
            message = render_message(record)
            if len(message) <= MAX_MESSAGE_BYTES:
                return message
            record, data = without_data(record)
            name = f"payloads/topics/tenants/{record.tenant}/{webhook_id(record)}"
            await self.store_payload(name, data)
        return render_message(record, self.payloads.link(name, LINK_SECONDS))
