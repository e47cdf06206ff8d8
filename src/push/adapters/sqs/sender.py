"""Messages to a queue, whatever their size, in as few calls as SQS takes them in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.errors import QueueUnavailableError
from push.queues.bodies import INLINE_BODIES, split_batches
from push.queues.ports import QueueBodies


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A document to send, not to be seen before `delay_seconds` have passed.

    `group` is the tenant where SQS is to share its attention fairly between tenants ("Amazon SQS fair queues",
    Developer Guide); empty for none.
    """

    document: str
    delay_seconds: int = 0
    group: str = ""


class SqsSender:
    """Sends to one queue.

    Args:
        client: boto3's.
        queue_url: the queue's.
        bodies: makes bodies of documents.

    """

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._client = client
        self._queue_url = queue_url
        self._bodies = bodies

    def send(self, messages: Iterable[QueueMessage]) -> None:
        """Send messages; all are durable when it returns.

        Raises:
            QueueUnavailableError: not all were taken, but perhaps some.
            RequestError: one is larger than a document may be, and none was sent.

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
            raise QueueUnavailableError(f"SQS did not take a message: {exc}") from exc
        if failed := answer.get("Failed"):
            raise QueueUnavailableError(f"SQS did not take a message: {failed[0].get('Message', failed[0]['Code'])}")
