"""The pollers of the deployed functions' event sources."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Protocol

from local.deploying.aws_json_client import AwsJsonClient
from local.deploying.control_plane import Deployment, EventSource
from local.embedded.aws_process import SourceChanges
from local.errors import CannotStartError
from local.functions.idle_cores import IdleCores
from local.functions.invocation import FunctionService
from local.sources.batch_turns import BatchTurns
from local.sources.sqs import SqsEventSource
from local.sources.stream_services import KinesisStream, StreamService, TableStream
from local.sources.streams import StreamEventSource


class Poller(Protocol):
    """Polls one event source."""

    async def run(self) -> None:
        """Poll until cancelled."""

    def note_change(self) -> None:
        """Poll the source now."""


class EventSources:
    """The pollers of a deployment.

    `changes` announces writes to queues, tables and streams, and to the buckets, buses and topics that send to a queue.
    Without it, for an AWS that is not embedded, the pollers use long polling.
    """

    def __init__(
        self,
        deployment: Deployment,
        client: AwsJsonClient,
        functions: FunctionService,
        changes: SourceChanges | None,
        *,
        maximum_batches: int,
    ) -> None:
        self._deployment = deployment
        self._client = client
        self._functions = functions
        self._changes = changes
        self._maximum_batches = maximum_batches
        self._cores = IdleCores()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start polling; raise CannotStartError for an unsupported kind of source."""
        for source in self._deployment.event_sources:
            poller = self._make_poller(source)
            if self._changes is not None:
                for name in (_source_name(source), *self._deployment.told_by.get(source.source_arn, ())):
                    self._changes.listen(name, poller.note_change)
            self._tasks.append(asyncio.create_task(poller.run()))

    async def close(self) -> None:
        """Stop polling; unanswered messages return after their visibility timeout."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._client.close()

    def _make_poller(self, source: EventSource) -> Poller:
        match source.service:
            case "sqs":
                return SqsEventSource(
                    source,
                    _queue_url(source, self._deployment.queues),
                    self._client,
                    self._functions,
                    turns=BatchTurns(
                        min(self._maximum_batches, source.maximum_concurrency or self._maximum_batches), self._cores
                    ),
                    is_announced=self._changes is not None,
                )
            case "dynamodb":
                return self._make_stream_poller(source, TableStream(source.source_arn))
            case "kinesis":
                return self._make_stream_poller(source, KinesisStream(source.source_arn))
            case service:
                raise CannotStartError(
                    f"The runtime does not support event sources of the kind {service}: {source.source_arn}"
                )

    def _make_stream_poller(self, source: EventSource, service: StreamService) -> StreamEventSource:
        destination = _destination(source, self._deployment)
        return StreamEventSource(source, service, self._client, self._functions, destination)


def _source_name(source: EventSource) -> str:
    """Return the name of the queue, the table or the stream."""
    resource = source.source_arn.split(":", 5)[5]
    return resource if source.service == "sqs" else resource.split("/")[1]


def _queue_url(source: EventSource, queues: Mapping[str, str]) -> str:
    return _url_of(source.source_arn, queues)


def _destination(source: EventSource, deployment: Deployment) -> str | None:
    arn = source.failure_destination_arn
    return _url_of(arn, deployment.queues) if arn is not None else None


def _url_of(arn: str, queues: Mapping[str, str]) -> str:
    name = arn.rpartition(":")[2]
    for url in queues.values():
        if url.endswith(f"/{name}"):
            return url
    raise CannotStartError(f"The queue {arn} is not one of the template's.")
