"""The batches of a stream's shard: their runs, retries and splits, and the destination of those that are given up.

DynamoDB Streams and Kinesis share the rules. Source: "Using AWS Lambda with Amazon DynamoDB", "Using AWS Lambda with
Amazon Kinesis" and "Retain discarded batches" (Developer Guide).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from local.deploying.aws_json_client import AwsCallError, AwsJsonClient
from local.deploying.control_plane import EventSource
from local.functions.invocation import FunctionService, Invocation, Outcome
from local.sources.filters import EventFilters

Record = dict[str, Any]

_TROUBLE_SECONDS = 1.0
_RETRY_SECONDS = (0.1, 10.0)
"""The first and the longest pause before a retry of a failed batch; pauses double in between."""


@dataclass(frozen=True, slots=True)
class RecordForm:
    """What the records of a kind of stream look like, as the function gets them."""

    number: Callable[[Record], str]
    """The sequence number of a record, by which a function names those that failed."""
    arrived: Callable[[Record], float | None]
    """The time of its arrival, in seconds since 1970."""
    batch_info: str
    """The member of a failure record that describes the batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one shard that the function gets together."""

    shard_id: str
    records: Sequence[Record]
    attempts: int = 0
    """The number of failed invocations."""
    is_halved: bool = False
    """True if the next run gets a half of it, because the function failed as a whole."""


class ShardBatches:
    """Runs the mapped function on the batches of shards.

    A failed batch is retried, split in two if the mapping says so and the function did not say which record failed,
    until its retries or its records' age run out. Then it goes to the failure destination, and the shard continues.
    """

    def __init__(
        self,
        source: EventSource,
        form: RecordForm,
        client: AwsJsonClient,
        functions: FunctionService,
        failure_queue_url: str | None,
    ) -> None:
        self._source = source
        self._form = form
        self._client = client
        self._functions = functions
        self._filters = EventFilters(source.filters)
        self._failure_queue_url = failure_queue_url

    async def take(self, shard_id: str, records: Sequence[Record]) -> None:
        """Run the function on the records that pass its filters, in batches and in order."""
        wanted = [record for record in records if self._filters.match(record)]
        size = self._source.batch_size
        for start in range(0, len(wanted), size):
            await self._process(Batch(shard_id, wanted[start : start + size]))

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
            rest = self._unprocessed(current, await self._invoke(current))
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
        oldest = self._form.arrived(batch.records[0])
        limit = self._source.maximum_record_age_seconds
        if limit >= 0 and oldest is not None and time.time() - oldest > limit:
            return "MaxRecordAgeExceeded"
        return None

    def _split(self, batch: Batch) -> list[Batch]:
        count = len(batch.records)
        if not batch.is_halved or not self._source.bisect_on_error or count == 1:
            return [Batch(batch.shard_id, batch.records, batch.attempts)]
        half = count // 2
        return [
            Batch(batch.shard_id, batch.records[:half], batch.attempts),
            Batch(batch.shard_id, batch.records[half:], batch.attempts),
        ]

    def _unprocessed(self, batch: Batch, invocation: Invocation) -> Batch:
        """Return the part of the batch to retry: all from the first failed record on, or an empty batch."""
        if invocation.outcome is Outcome.THROTTLED:
            return batch
        again = Batch(batch.shard_id, batch.records, batch.attempts + 1, is_halved=True)
        if invocation.outcome is not Outcome.RETURNED:
            return again
        if not self._source.report_item_failures:
            return Batch(batch.shard_id, ())
        answer = orjson.loads(invocation.payload) or {}
        failures = answer.get("batchItemFailures") or () if isinstance(answer, dict) else (None,)
        if not failures:
            return Batch(batch.shard_id, ())
        failed = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
        numbers = [self._form.number(record) for record in batch.records]
        first = next((index for index, number in enumerate(numbers) if number in failed), None)
        if first is None:
            return again
        return Batch(batch.shard_id, batch.records[first:], batch.attempts + 1)

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
        body = orjson.dumps(self._failure_record(batch, condition)).decode()
        request = {"QueueUrl": self._failure_queue_url, "MessageBody": body}
        while True:
            try:
                await self._client.call("sqs", "SendMessage", request)
            except (OSError, EOFError, AwsCallError):
                await asyncio.sleep(_TROUBLE_SECONDS)
            else:
                return

    def _failure_record(self, batch: Batch, condition: str) -> dict[str, Any]:
        form, first, last = self._form, batch.records[0], batch.records[-1]
        return {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self._source.function,
                "condition": condition,
                "approximateInvokeCount": batch.attempts,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": _iso(time.time()),
            form.batch_info: {
                "shardId": batch.shard_id,
                "startSequenceNumber": form.number(first),
                "endSequenceNumber": form.number(last),
                "approximateArrivalOfFirstRecord": _iso(form.arrived(first)),
                "approximateArrivalOfLastRecord": _iso(form.arrived(last)),
                "batchSize": len(batch.records),
                "streamArn": self._source.source_arn,
            },
        }


def _iso(seconds: float | None) -> str:
    moment = time.time() if seconds is None else seconds
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
