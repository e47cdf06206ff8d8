"""The compute queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from push.adapters.sqs.sender import QueueMessage, SqsSender
from push.cache.jobs import Outgoing, serialize_job
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies


class SqsJobs:
    """`push.cache.ports.JobSender` on SQS; each tenant is a message group."""

    def __init__(self, client: Any, queue_url: str, bodies: QueueBodies = INLINE_BODIES) -> None:  # noqa: ANN401
        self._sender = SqsSender(client, queue_url, bodies)

    def send(self, jobs: Sequence[Outgoing]) -> None:
        """See `JobSender.send`."""
        self._sender.send(QueueMessage(serialize_job(each.job), each.delay_seconds, each.job.tenant) for each in jobs)
