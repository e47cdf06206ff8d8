"""Records as Lambda hands them over when a source changed: of the tables' streams, and messages of S3."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus


def text(value: str) -> dict[str, str]:
    return {"S": value}


def document_record(partition: str, document_id: str, number: str = "1", event: str = "MODIFY") -> dict[str, Any]:
    data: dict[str, Any] = {
        "Keys": {"collection": text(partition), "id": text(document_id)},
        "SequenceNumber": number,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    return {"eventID": "e", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": data}


def score_record(partition: str, member: str, score: str | None, number: str = "1") -> dict[str, Any]:
    data: dict[str, Any] = {"Keys": {"board": text(partition), "member": text(member)}, "SequenceNumber": number}
    if score is not None:
        data["NewImage"] = {**data["Keys"], "score": {"N": score}}
    event = "REMOVE" if score is None else "MODIFY"
    return {"eventID": "e", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": data}


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
