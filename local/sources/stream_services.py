"""The APIs of DynamoDB Streams and of Kinesis, and the records that a function gets of each.

Source: the API references of both; "Working with records" in "Using AWS Lambda with Amazon Kinesis", and the example
events there (Lambda Developer Guide).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from local.deploying.aws_json_client import AwsJsonClient
from local.embedded.aws_process import ACCOUNT_ID, REGION
from local.sources.shard_batches import Record, RecordForm


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard, and those that it was split or merged from."""

    shard_id: str
    parents: Sequence[str] = ()


class StreamService(Protocol):
    """The API of one stream."""

    name: str
    form: RecordForm

    async def shards(self, client: AwsJsonClient) -> Sequence[Shard]:
        """Return the shards of the stream, parents first."""

    async def iterator(self, client: AwsJsonClient, shard_id: str, position: str, after: str | None) -> str:
        """Return an iterator at a position, or after the record with the sequence number `after`."""

    def complete(self, record: Record, shard_id: str, arn: str) -> Record:
        """Return a record as Lambda gives it to the function."""


class TableStream:
    """The stream of a DynamoDB table."""

    name = "dynamodb"
    form = RecordForm(
        number=lambda record: record["dynamodb"]["SequenceNumber"],
        arrived=lambda record: _seconds(record["dynamodb"].get("ApproximateCreationDateTime")),
        batch_info="DDBStreamBatchInfo",
    )

    def __init__(self, arn: str) -> None:
        self._arn = arn

    async def shards(self, client: AwsJsonClient) -> Sequence[Shard]:
        """See `StreamService.shards`."""
        stream = await client.call("dynamodb", "DescribeStream", {"StreamArn": self._arn})
        return [_shard(each) for each in stream["StreamDescription"]["Shards"]]

    async def iterator(self, client: AwsJsonClient, shard_id: str, position: str, after: str | None) -> str:
        """See `StreamService.iterator`."""
        request = {"StreamArn": self._arn, "ShardId": shard_id, "ShardIteratorType": position}
        if after is not None:
            request |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        answer = await client.call("dynamodb", "GetShardIterator", request)
        iterator: str = answer["ShardIterator"]
        return iterator

    def complete(self, record: Record, shard_id: str, arn: str) -> Record:  # noqa: ARG002  # the other needs the shard
        """See `StreamService.complete`."""
        return {"eventSource": "aws:dynamodb", "awsRegion": REGION, **record, "eventSourceARN": arn}


class KinesisStream:
    """A stream of Kinesis."""

    name = "kinesis"
    form = RecordForm(
        number=lambda record: record["kinesis"]["sequenceNumber"],
        arrived=lambda record: _seconds(record["kinesis"]["approximateArrivalTimestamp"]),
        batch_info="KinesisBatchInfo",
    )

    def __init__(self, arn: str) -> None:
        self._name = arn.rpartition("/")[2]

    async def shards(self, client: AwsJsonClient) -> Sequence[Shard]:
        """See `StreamService.shards`."""
        request: dict[str, Any] = {"StreamName": self._name}
        found: list[Shard] = []
        while True:
            answer = await client.call("kinesis", "ListShards", request)
            found += [_shard(each) for each in answer["Shards"]]
            if not answer.get("NextToken"):
                return found
            request = {"NextToken": answer["NextToken"], "StreamName": self._name}

    async def iterator(self, client: AwsJsonClient, shard_id: str, position: str, after: str | None) -> str:
        """See `StreamService.iterator`."""
        request = {"StreamName": self._name, "ShardId": shard_id, "ShardIteratorType": position}
        if after is not None:
            request |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        answer = await client.call("kinesis", "GetShardIterator", request)
        iterator: str = answer["ShardIterator"]
        return iterator

    def complete(self, record: Record, shard_id: str, arn: str) -> Record:
        """See `StreamService.complete`."""
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": record["Data"],
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT_ID}:role/local",
            "awsRegion": REGION,
            "eventSourceARN": arn,
        }


def _shard(described: Mapping[str, Any]) -> Shard:
    parents = (described.get("ParentShardId"), described.get("AdjacentParentShardId"))
    return Shard(described["ShardId"], tuple(parent for parent in parents if parent))


def _seconds(moment: float | str | None) -> float | None:
    return None if moment is None else float(moment)
