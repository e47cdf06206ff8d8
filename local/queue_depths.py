"""The number of messages in each queue, for the statistics."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.deploying.aws_json_client import AwsCallError, AwsJsonClient

_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The message counts of one queue; `dead` counts its dead-letter queue."""

    visible: int
    in_flight: int
    delayed: int
    dead: int


class QueueDepths:
    """Reads the depth of each queue when somebody looks; nobody else pays for it."""

    def __init__(self, queues: Mapping[str, str], client: AwsJsonClient) -> None:
        self._queues = queues
        self._client = client
        self._attributes: dict[str, dict[str, str]] = {}

    async def read(self) -> dict[str, QueueDepth]:
        """Return the depth of each queue by logical id, or what was read last if the embedded AWS does not answer."""
        with contextlib.suppress(OSError, EOFError, AwsCallError):  # TimeoutError is an OSError
            async with asyncio.timeout(_ANSWER_SECONDS):
                answers = await asyncio.gather(*map(self._ask, self._queues.values()))
                self._attributes = dict(zip(self._queues, answers, strict=True))
        return {name: self._depth(attributes) for name, attributes in self._attributes.items()}

    async def _ask(self, url: str) -> dict[str, str]:
        request = {"QueueUrl": url, "AttributeNames": ["All"]}
        attributes: dict[str, str] = (await self._client.call("sqs", "GetQueueAttributes", request))["Attributes"]
        return attributes

    def _depth(self, attributes: Mapping[str, str]) -> QueueDepth:
        dead = self._by_arn(_dead_letter_arn(attributes))
        return QueueDepth(
            visible=_count(attributes, "ApproximateNumberOfMessages"),
            in_flight=_count(attributes, "ApproximateNumberOfMessagesNotVisible"),
            delayed=_count(attributes, "ApproximateNumberOfMessagesDelayed"),
            dead=_count(dead, "ApproximateNumberOfMessages"),
        )

    def _by_arn(self, arn: str | None) -> Mapping[str, str]:
        return next((each for each in self._attributes.values() if each.get("QueueArn") == arn), {})


def _count(attributes: Mapping[str, str], name: str) -> int:
    return int(attributes.get(name, 0))


def _dead_letter_arn(attributes: Mapping[str, str]) -> str | None:
    policy: dict[str, Any] = json.loads(attributes.get("RedrivePolicy") or "{}")
    return policy.get("deadLetterTargetArn")
