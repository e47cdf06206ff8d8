"""The number of messages in each queue, for the statistics."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.deploying.aws_json_client import AwsCallError, AwsJsonClient
from local.embedded.aws_process import SourceChanges

_REFRESH_SECONDS = 1.0
_SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The message counts of one queue; `dead` counts its dead-letter queue."""

    visible: int
    in_flight: int
    delayed: int
    dead: int


class QueueDepths:
    """Reads the depth of each queue once a second, and soon after each announced change."""

    def __init__(self, queues: Mapping[str, str], client: AwsJsonClient, changes: SourceChanges | None) -> None:
        self._queues = queues
        self._client = client
        self._changed = asyncio.Event()
        self._attributes: dict[str, dict[str, str]] = {}
        self._task: asyncio.Task[None] | None = None
        if changes is not None:
            for url in queues.values():
                changes.listen(url.rpartition("/")[2], self._changed.set)

    @property
    def current(self) -> dict[str, QueueDepth]:
        """The depth of each queue by logical id. Reading it triggers a refresh, so that the next value is exact."""
        self._changed.set()
        return {name: self._depth(attributes) for name, attributes in self._attributes.items()}

    async def start(self) -> None:
        """Read the depths once, then keep refreshing them."""
        await self._refresh()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop refreshing."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_SECONDS):
                    await self._changed.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            self._changed.clear()
            with contextlib.suppress(OSError, EOFError, AwsCallError):  # the embedded AWS is shutting down
                await self._refresh()

    async def _refresh(self) -> None:
        for name, url in self._queues.items():
            request = {"QueueUrl": url, "AttributeNames": ["All"]}
            self._attributes[name] = (await self._client.call("sqs", "GetQueueAttributes", request))["Attributes"]

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
