"""The compute queue: jobs in, and the times of those that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.sqs_sender import QueueMessage, SqsSender
from push.errors import QueueUnavailableError
from push.jobs import Outgoing, serialize_job
from push.ports import QueueBodies
from push.queue_bodies import INLINE_BODIES


class SqsJobs:
    """`push.ports.JobSender` on SQS; a tenant's jobs are a message group."""

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._sender = SqsSender(client, queue_url, bodies)

    def send(self, jobs: Sequence[Outgoing]) -> None:
        """See `JobSender.send`."""
        self._sender.send(QueueMessage(serialize_job(each.job), each.delay_seconds, each.job.tenant) for each in jobs)


class SqsRedelivery:
    """`push.ports.RedeliveryTimes` by SQS visibility timeouts."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._queue_url = queue_url

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        """Have up to ten received messages come back after so many seconds, in one call.

        Raises:
            QueueUnavailableError: SQS did not change a message, which then comes back after the queue's own time.

        """
        entries = [
            {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for index, (receipt, seconds) in enumerate(seconds_by_receipt.items())
        ]
        try:
            answer = self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as exc:
            raise QueueUnavailableError(f"SQS did not delay a message: {exc}") from exc
        if failed := answer.get("Failed"):
            raise QueueUnavailableError(f"SQS did not delay a message: {failed[0].get('Code')}")
