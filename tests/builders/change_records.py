"""Records as Lambda hands them over when a source changed: of streams, and messages of the queue of changes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus


def text(value: str) -> dict[str, str]:
    return {"S": value}


TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/{}/stream/2026-11-29T00:00:00.000"
STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/{}"
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:{}"

BUILT_IN_SOURCES = json.dumps(
    {
        "tables": {"pushaside:documents": {"name": "documents"}, "pushaside:scores": {"name": "scores"}},
        "buckets": {"pushaside:objects": {"name": "storage"}},
    }
)
"""The setting of the same name, for the records here."""


def row_record(
    table: str,
    keys: Mapping[str, Any],
    *,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    event: str = "MODIFY",
    number: str = "1",
    at: float | None = None,
) -> dict[str, Any]:
    """A record of the stream of any table; keys and images in DynamoDB's JSON."""
    data: dict[str, Any] = {"Keys": dict(keys), "SequenceNumber": number, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    if old is not None:
        data["OldImage"] = {**keys, **old}
    if new is not None:
        data["NewImage"] = {**keys, **new}
    if at is not None:
        data["ApproximateCreationDateTime"] = at
    return {
        "eventID": "e",
        "eventName": event,
        "eventSource": "aws:dynamodb",
        "eventSourceARN": TABLE_ARN.format(table),
        "dynamodb": data,
    }


def stream_record(
    stream: str, body: object, *, number: str = "1", partition_key: str = "p", at: float = 0.0
) -> dict[str, Any]:
    """A record of a Kinesis stream; bytes stay as they are, anything else becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    data = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": partition_key,
        "sequenceNumber": number,
        "data": base64.b64encode(content).decode(),
        "approximateArrivalTimestamp": at,
    }
    arn = STREAM_ARN.format(stream)
    return {"eventSource": "aws:kinesis", "eventID": f"shardId-0:{number}", "eventSourceARN": arn, "kinesis": data}


def event_of(source: str, detail_type: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """An event as EventBridge sends it."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2026-11-29T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": dict(detail),
    }


def topic_message(topic: str, text: str) -> dict[str, Any]:
    """A message as SNS wraps it for a queue."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC_ARN.format(topic),
        "Message": text,
        "Timestamp": "2026-11-29T00:00:00.000Z",
    }


def document_record(partition: str, document_id: str, number: str = "1", event: str = "MODIFY") -> dict[str, Any]:
    return row_record("documents", {"collection": text(partition), "id": text(document_id)}, number=number, event=event)


def score_record(partition: str, member: str, score: str | None, number: str = "1") -> dict[str, Any]:
    keys = {"board": text(partition), "member": text(member)}
    if score is None:
        return row_record("scores", keys, event="REMOVE", number=number)
    return row_record("scores", keys, new={"score": {"N": score}}, number=number)


def notification(*keys: str) -> str:
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "storage"}, "object": {"key": quote_plus(key, safe="/"), "size": 2}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def message(body: str, message_id: str = "m1") -> dict[str, Any]:
    return {"eventSource": "aws:sqs", "messageId": message_id, "body": body}
