"""The poller of a DynamoDB stream, which invokes the mapped function."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from local.deploying.aws_json_client import AwsCallError, AwsJsonClient
from local.deploying.control_plane import EventSource
from local.embedded.aws_process import REGION
from local.functions.invocation import FunctionService, Invocation, Outcome
from local.sources.filters import EventFilters

Record = dict[str, Any]

_LOOK_SECONDS = 1.0
_TROUBLE_SECONDS = 1.0
_RETRY_SECONDS = (0.1, 10.0)
"""The first and the longest pause before a retry of a failed batch; pauses double in between."""

_RECORDS_PER_CALL = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one shard that the function gets together."""

    shard_id: str
    records: Sequence[Record]
    attempts: int = 0
    """The number of failed invocations."""


class StreamEventSource:
    """One mapping of a DynamoDB stream to a function.

    As in Lambda, the batches of a shard run one after another. A failed batch is retried, split in two if the mapping
    says so, until its retries or its records' age run out. Then it goes to the failure destination, and the shard
    continues.

    Source: "Using AWS Lambda with Amazon DynamoDB" and "Retain discarded batches" (Developer Guide).
    """

    def __init__(
        self,
        source: EventSource,
        client: AwsJsonClient,
        functions: FunctionService,
        failure_queue_url: str | None,
    ) -> None:
        self._source = source
        self._client = client
        self._functions = functions
        self._filters = EventFilters(source.filters)
        self._failure_queue_url = failure_queue_url
        self._changed = asyncio.Event()
        self._shards: dict[str, asyncio.Task[None]] = {}

    def note_change(self) -> None:
        """Poll the stream now, because its table was written."""
        self._changed.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await self._look_for_shards()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for task in self._shards.values():
                task.cancel()
            await asyncio.gather(*self._shards.values(), return_exceptions=True)

    async def _look_for_shards(self) -> None:
        try:
            stream = await self._client.call("dynamodb", "DescribeStream", {"StreamArn": self._source.source_arn})
        except (OSError, EOFError, AwsCallError):
            return  # the embedded AWS is shutting down, or the table is gone
        for shard in stream["StreamDescription"]["Shards"]:
            shard_id = shard["ShardId"]
            if shard_id not in self._shards:
                self._shards[shard_id] = asyncio.create_task(self._read_shard(shard_id))

    async def _read_shard(self, shard_id: str) -> None:
        iterator: str | None = None
        position = self._source.starting_position
        after: str | None = None
        while True:
            try:
                iterator = iterator or await self._iterator(shard_id, position, after)
                self._changed.clear()
                answer = await self._client.call(
                    "dynamodb", "GetRecords", {"ShardIterator": iterator, "Limit": _RECORDS_PER_CALL}
                )
            except (OSError, EOFError, AwsCallError):
                iterator = None
                await asyncio.sleep(_TROUBLE_SECONDS)
                continue
            records = answer.get("Records", [])
            await self._take(shard_id, records)
            if records:
                after = records[-1]["dynamodb"]["SequenceNumber"]
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                return
            if not records:
                await self._pause()

    async def _iterator(self, shard_id: str, position: str, after: str | None) -> str:
        request = {"StreamArn": self._source.source_arn, "ShardId": shard_id, "ShardIteratorType": position}
        if after is not None:
            request |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        answer = await self._client.call("dynamodb", "GetShardIterator", request)
        iterator: str = answer["ShardIterator"]
        return iterator

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _take(self, shard_id: str, records: Sequence[Record]) -> None:
        """Run the function on the records that pass its filters, in batches and in order."""
        wanted = [record for record in map(self._complete, records) if self._filters.match(record)]
        size = self._source.batch_size
        for start in range(0, len(wanted), size):
            await self._process(Batch(shard_id, wanted[start : start + size]))

    def _complete(self, record: Record) -> Record:
        """Return a record with the members that Lambda adds and the stream API leaves out."""
        return {"eventSource": "aws:dynamodb", "awsRegion": REGION, **record, "eventSourceARN": self._source.source_arn}

    async def _process(self, batch: Batch) -> None:
        """Run the function on a batch until it succeeds or is given up."""
        waiting = [batch]
        pause, longest = _RETRY_SECONDS
        while waiting:
            current = waiting.pop(0)
            condition = self._exhausted(current)
            if condition is not None:
                await self._give_up(current, condition)
                continue
            invocation = await self._invoke(current)
            rest = _unprocessed(current, invocation, report_item_failures=self._source.report_item_failures)
            if not rest.records:
                pause = _RETRY_SECONDS[0]
                continue
            waiting[:0] = self._split(rest)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    def _exhausted(self, batch: Batch) -> str | None:
        """Return the reason why a batch is not retried, in the words of the failure record, or None."""
        if 0 <= self._source.maximum_retries < batch.attempts:
            return "RetryAttemptsExhausted"
        oldest = batch.records[0]["dynamodb"].get("ApproximateCreationDateTime")
        limit = self._source.maximum_record_age_seconds
        if limit >= 0 and oldest is not None and time.time() - float(oldest) > limit:
            return "MaxRecordAgeExceeded"
        return None

    def _split(self, batch: Batch) -> list[Batch]:
        count = len(batch.records)
        if not self._source.bisect_on_error or count == 1:
            return [batch]
        half = count // 2
        return [
            Batch(batch.shard_id, batch.records[:half], batch.attempts),
            Batch(batch.shard_id, batch.records[half:], batch.attempts),
        ]

    async def _invoke(self, batch: Batch) -> Invocation:
        ended: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()

        def set_result(invocation: Invocation) -> None:
            if not ended.done():  # cancelled while the runtime stops
                ended.set_result(invocation)

        self._functions.invoke(self._source.function, orjson.dumps({"Records": batch.records}), set_result)
        return await ended

    async def _give_up(self, batch: Batch, condition: str) -> None:
        if self._failure_queue_url is None:
            return
        body = orjson.dumps(_failure_record(self._source, batch, condition)).decode()
        request = {"QueueUrl": self._failure_queue_url, "MessageBody": body}
        while True:
            try:
                await self._client.call("sqs", "SendMessage", request)
            except (OSError, EOFError, AwsCallError):
                await asyncio.sleep(_TROUBLE_SECONDS)
            else:
                return


def _unprocessed(batch: Batch, invocation: Invocation, *, report_item_failures: bool) -> Batch:
    """Return the part of the batch to retry: all from the first failed record on, or an empty batch."""
    if invocation.outcome is Outcome.THROTTLED:
        return batch
    again = Batch(batch.shard_id, batch.records, batch.attempts + 1)
    if invocation.outcome is not Outcome.RETURNED:
        return again
    if not report_item_failures:
        return Batch(batch.shard_id, ())
    answer = orjson.loads(invocation.payload) or {}
    failures = answer.get("batchItemFailures") or () if isinstance(answer, dict) else (None,)
    if not failures:
        return Batch(batch.shard_id, ())
    failed = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
    numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
    first = next((index for index, number in enumerate(numbers) if number in failed), 0)
    return Batch(batch.shard_id, batch.records[first:], batch.attempts + 1)


def _failure_record(source: EventSource, batch: Batch, condition: str) -> dict[str, Any]:
    first, last = batch.records[0]["dynamodb"], batch.records[-1]["dynamodb"]
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": source.function,
            "condition": condition,
            "approximateInvokeCount": batch.attempts,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": _iso(time.time()),
        "DDBStreamBatchInfo": {
            "shardId": batch.shard_id,
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _iso(first.get("ApproximateCreationDateTime", time.time())),
            "approximateArrivalOfLastRecord": _iso(last.get("ApproximateCreationDateTime", time.time())),
            "batchSize": len(batch.records),
            "streamArn": source.source_arn,
        },
    }


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(float(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
