"""Sending of messages of any size to a queue, in as few calls as SQS allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.errors import QueueUnavailableError
from push.queues.bodies import INLINE_BODIES, split_batches
from push.queues.ports import QueueBodies


class QueueMessage(msgspec.Struct, frozen=True):
    """A document to send, which receivers see after `delay_seconds`.

    `group` is the tenant, if SQS is to serve tenants fairly ("Amazon SQS fair queues", Developer Guide); else empty.
    """

    document: str
    delay_seconds: int = 0
    group: str = ""


class SqsSender:
    """Sends to one queue.

    Args:
        client: a client of SQS.
        queue_url: URL of the queue.
        bodies: packs documents into message bodies.

    """

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._client = client
        self._queue_url = queue_url
        self._bodies = bodies

    def send(self, messages: Iterable[QueueMessage]) -> None:
        """Send messages; all are durable when it returns.

        Raises:
            QueueUnavailableError: SQS did not accept all messages; it may have accepted some.
            RequestError: a document is too large; none was sent.

        """
        entries = [self._entry(message) for message in messages]
        for batch in split_batches((entry["MessageBody"], entry) for entry in entries):
            self._send(batch)

    def _entry(self, message: QueueMessage) -> dict[str, Any]:
        entry = {"MessageBody": self._bodies.pack(message.document), "DelaySeconds": message.delay_seconds}
        return entry | {"MessageGroupId": message.group} if message.group else entry

    def _send(self, batch: Sequence[dict[str, Any]]) -> None:
        entries = [{"Id": str(index), **entry} for index, entry in enumerate(batch)]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as exc:
            raise QueueUnavailableError(f"SQS did not accept a message: {exc}") from exc
        if failed := answer.get("Failed"):
            raise QueueUnavailableError(f"SQS did not accept a message: {failed[0].get('Message', failed[0]['Code'])}")
