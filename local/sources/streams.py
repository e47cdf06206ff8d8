"""The poller of a DynamoDB stream or a Kinesis stream, which invokes the mapped function."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from local.deploying.aws_json_client import AwsCallError, AwsJsonClient
from local.deploying.control_plane import EventSource
from local.functions.invocation import FunctionService
from local.sources.shard_batches import Record, ShardBatches
from local.sources.stream_services import Shard, StreamService

_LOOK_SECONDS = 1.0
_SHARD_LOOK_SECONDS = 10.0
"""The interval of looking for shards while none ends: a new shard follows one that has ended."""

_TROUBLE_SECONDS = 1.0
_RECORDS_PER_CALL = 1000


class StreamEventSource:
    """One mapping of a stream to a function.

    As in Lambda, the batches of a shard run one after another (`shard_batches`), and a shard is read after those that
    it was split or merged from. New shards are read from their beginning.

    Source: "Using AWS Lambda with Amazon DynamoDB" and "Using AWS Lambda with Amazon Kinesis" (Developer Guide).
    """

    def __init__(
        self,
        source: EventSource,
        service: StreamService,
        client: AwsJsonClient,
        functions: FunctionService,
        failure_queue_url: str | None,
    ) -> None:
        self._source = source
        self._service = service
        self._client = client
        self._batches = ShardBatches(source, service.form, client, functions, failure_queue_url)
        self._changed: dict[str, asyncio.Event] = {}
        """By shard; set when the stream was written."""
        self._looked = False
        self._shards: dict[str, asyncio.Task[None]] = {}

    def note_change(self) -> None:
        """Poll the stream now, because it was written."""
        for changed in self._changed.values():
            changed.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await self._look_for_shards()
                await self._until_a_shard_ends()
        finally:
            for task in self._shards.values():
                task.cancel()
            await asyncio.gather(*self._shards.values(), return_exceptions=True)

    async def _until_a_shard_ends(self) -> None:
        """Return when a shard has ended, so that others may have followed it, or after `_SHARD_LOOK_SECONDS`."""
        await asyncio.sleep(_LOOK_SECONDS)
        reading = [task for task in self._shards.values() if not task.done()]
        if reading:
            await asyncio.wait(reading, timeout=_SHARD_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    async def _look_for_shards(self) -> None:
        try:
            shards = await self._service.shards(self._client)
        except (OSError, EOFError, AwsCallError):
            return  # the embedded AWS is shutting down, or the stream is gone
        position = "TRIM_HORIZON" if self._looked else self._source.starting_position
        self._looked = True
        for shard in shards:
            if shard.shard_id not in self._shards:
                self._changed[shard.shard_id] = asyncio.Event()
                self._shards[shard.shard_id] = asyncio.create_task(self._read_shard(shard, position))

    async def _read_shard(self, shard: Shard, position: str) -> None:
        await self._wait_for_parents(shard)
        iterator: str | None = None
        after: str | None = None
        changed = self._changed[shard.shard_id]
        while True:
            try:
                iterator = iterator or await self._service.iterator(self._client, shard.shard_id, position, after)
                changed.clear()
                request = {"ShardIterator": iterator, "Limit": _RECORDS_PER_CALL}
                answer = await self._client.call(self._service.name, "GetRecords", request)
            except AwsCallError as error:
                if error.code == "ResourceNotFoundException":
                    del self._shards[shard.shard_id]  # it has expired, or the stream is gone
                    return
                iterator = None
                await asyncio.sleep(_TROUBLE_SECONDS)
                continue
            except (OSError, EOFError):
                iterator = None
                await asyncio.sleep(_TROUBLE_SECONDS)
                continue
            records = self._complete(shard.shard_id, answer)
            await self._batches.take(shard.shard_id, records)
            if records:
                after = self._service.form.number(records[-1])
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                return
            if not records:
                await _pause(changed)

    async def _wait_for_parents(self, shard: Shard) -> None:
        parents = [self._shards[parent] for parent in shard.parents if parent in self._shards]
        if parents:
            await asyncio.wait(parents)

    def _complete(self, shard_id: str, answer: dict[str, Any]) -> Sequence[Record]:
        arn = self._source.source_arn
        return [self._service.complete(record, shard_id, arn) for record in answer.get("Records", ())]


async def _pause(changed: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await changed.wait()
    except TimeoutError:
        return
