"""The table in which the handlers leave the events that they were given, for the tests to read."""

from __future__ import annotations

import functools
import json
import os
import time
import uuid
from typing import Any

import boto3

_KEPT_SECONDS = 3600


@functools.cache
def _dynamodb() -> Any:
    return boto3.client("dynamodb")


def record(subject: str, kind: str, value: Any) -> None:
    """Add a row under `subject`: a connection id, or a word that a test chose."""
    item = {
        "subject": {"S": subject},
        "event_id": {"S": uuid.uuid4().hex},
        "kind": {"S": kind},
        "value": {"S": json.dumps(value)},
        "expires_at": {"N": str(int(time.time()) + _KEPT_SECONDS)},
    }
    _dynamodb().put_item(TableName=os.environ["EVENTS_TABLE"], Item=item)


def kinds(subject: str) -> set[str]:
    """Return the kinds of the rows under `subject`."""
    rows = _dynamodb().query(
        TableName=os.environ["EVENTS_TABLE"],
        KeyConditionExpression="subject = :subject",
        ExpressionAttributeValues={":subject": {"S": subject}},
        ConsistentRead=True,
    )
    return {row["kind"]["S"] for row in rows["Items"]}
