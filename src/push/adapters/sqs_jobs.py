"""The compute queue: jobs in, and the times of those that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.errors import QueueUnavailableError
from push.jobs import Outgoing, serialize_job


class SqsJobs:
    """`push.ports.JobSender` on SQS.

    Jobs carry the tenant as message group: on a standard queue that makes SQS share its attention fairly between
    tenants ("Amazon SQS fair queues", Developer Guide).
    """

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._queue_url = queue_url

    def send(self, jobs: Sequence[Outgoing]) -> None:
        """See `JobSender.send`."""
        entries = [
            {
                "Id": str(index),
                "MessageBody": serialize_job(outgoing.job),
                "DelaySeconds": outgoing.delay_seconds,
                "MessageGroupId": outgoing.job.tenant,
            }
            for index, outgoing in enumerate(jobs)
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as exc:
            raise QueueUnavailableError(f"SQS did not take a job: {exc}") from exc
        if failed := answer.get("Failed"):
            raise QueueUnavailableError(f"SQS did not take a job: {failed[0].get('Message', failed[0]['Code'])}")


class SqsRedelivery:
    """`push.ports.RedeliveryTimes` by SQS visibility timeouts."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401
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
