"""A real queue's messages as Lambda hands them to a function."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_SECONDS

_EVENT = Path(__file__).parents[1] / "events" / "sqs_batch.json"


def receive(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    """Receive what can be seen now, as the records of Lambda's event."""
    received = sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=0,
        VisibilityTimeout=180,
        MessageSystemAttributeNames=["All"],
    )
    return [make_record(queue_url, message) for message in received.get("Messages", [])]


def wait_for(sqs: Any, queue_url: str, seconds: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
    """Receive messages that are yet hidden or delayed.

    Raises:
        TimeoutError: there came none.

    """
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if records := receive(sqs, queue_url):
            return records
        time.sleep(0.05)
    raise TimeoutError(f"Nothing came to {queue_url}.")


def send(sqs: Any, queue_url: str, *bodies: str) -> list[dict[str, Any]]:
    """Send messages, and receive them, in their order."""
    for body in bodies:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    received: list[dict[str, Any]] = []
    while len(received) < len(bodies):
        received += wait_for(sqs, queue_url)
    return sorted(received, key=lambda record: bodies.index(record["body"]))


def receive_count(record: dict[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])


def make_record(queue_url: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a message as SQS hands it out."""
    record: dict[str, Any] = json.loads(_EVENT.read_text())["Records"][0]
    record["messageId"] = message["MessageId"]
    record["receiptHandle"] = message["ReceiptHandle"]
    record["body"] = message["Body"]
    record["attributes"]["ApproximateReceiveCount"] = message["Attributes"]["ApproximateReceiveCount"]
    record["eventSourceARN"] = f"arn:aws:sqs:us-east-1:123456789012:{queue_url.rpartition('/')[2]}"
    return record
