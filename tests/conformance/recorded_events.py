"""What the handlers recorded."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from tests.conformance.targets import Target, Trait

WAIT_SECONDS = 20.0
_POLL_SECONDS = 0.05


def new_subject() -> str:
    """Return a word under which nothing was recorded yet."""
    return uuid.uuid4().hex


def recorded(target: Target, subject: str, kind: str) -> list[Any]:
    """Return the values of one kind that have been recorded under `subject`."""
    target.need(Trait.RECORDED_EVENTS)
    rows = target.client("dynamodb").query(
        TableName=target.events_table,
        KeyConditionExpression="subject = :subject",
        ExpressionAttributeValues={":subject": {"S": subject}},
        ConsistentRead=True,
    )
    return [json.loads(row["value"]["S"]) for row in rows["Items"] if row["kind"]["S"] == kind]


def wait_for(target: Target, subject: str, kind: str) -> Any:
    """Return the first value of one kind under `subject`, waiting for it as long as it may take."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (values := recorded(target, subject, kind)):
        assert time.monotonic() < deadline, f"no {kind} was recorded within {WAIT_SECONDS:g} seconds"
        time.sleep(_POLL_SECONDS)
    return values[0]
