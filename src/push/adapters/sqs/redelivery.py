"""Redelivery times of received SQS messages."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.aws.clients import make_client
from push.queues.redelivery import Redelivery

logger = logging.getLogger(__name__)


class SqsRedelivery:
    """`push.queues.ports.RedeliveryTimes` by SQS visibility timeouts."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._queue_url = queue_url

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        """See `RedeliveryTimes.hide`."""
        entries = [
            {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for index, (receipt, seconds) in enumerate(seconds_by_receipt.items())
        ]
        try:
            answer = self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as exc:
            logger.warning(
                "%d messages are redelivered after the queue's own visibility timeout: %s", len(entries), exc
            )
            return
        for failed in answer.get("Failed", ()):
            logger.warning("a message is redelivered after the queue's own visibility timeout: %s", failed.get("Code"))


def make_redelivery(queue_url: str) -> Redelivery:
    """Return the redelivery policy of a queue's failed messages."""
    return Redelivery(SqsRedelivery(make_client("sqs"), queue_url), random.random)
