"""The queue of failed changes, as the function that applies changes uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from push.adapters.sqs.sender import QueueMessage, SqsSender
from push.queues.ports import QueueBodies


class SqsKeptChanges:
    """`push.changes.ports.KeptChanges` on SQS.

    Args:
        client: a client of SQS.
        queue_url: the URL of the queue.
        bodies: packs records that exceed a message.

    """

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies) -> None:  # noqa: ANN401
        self._sender = SqsSender(client, queue_url, bodies)

    def keep(self, messages: Sequence[str]) -> None:
        """See `KeptChanges.keep`."""
        self._sender.send(map(QueueMessage, messages))
