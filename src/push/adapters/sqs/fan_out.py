"""The fan-out queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from push.adapters.sqs.sender import QueueMessage, SqsSender
from push.topics.fan_out_jobs import FanOutJob, Farewell, serialize_fan_out_job


class SqsFanOutJobSender:
    """`push.topics.ports.FanOutJobSender` on SQS; each tenant is a message group, and farewells are another."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._sender = SqsSender(client, queue_url)

    def send(self, jobs: Sequence[FanOutJob], delay_seconds: int = 0) -> None:
        """See `FanOutJobSender.send`."""
        self._sender.send(QueueMessage(serialize_fan_out_job(job), delay_seconds, _group_of(job)) for job in jobs)


def _group_of(job: FanOutJob) -> str:
    match job:
        case Farewell():
            return "farewells"
        case _:
            return job.topic.partition("/")[0].replace("*", "shared")
