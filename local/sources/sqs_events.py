"""Events and answers of functions that consume an SQS queue.

Source: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source in Lambda" (Developer Guide).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from local.embedded.aws_process import REGION
from local.functions.invocation import Invocation, Outcome

Message = Mapping[str, Any]


def make_record(message: Message, queue_arn: str) -> dict[str, Any]:
    """Return the record of a message from ReceiveMessage, which has all its attributes."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(attribute) for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute as Lambda writes it: members in lower camel case, and always the two lists."""
    members = {name[0].lower() + name[1:]: value for name, value in attribute.items()}
    return {"stringListValues": [], "binaryListValues": [], **members}


def failed_messages(invocation: Invocation, sent: Collection[str], *, report_item_failures: bool) -> frozenset[str]:
    """Return the ids of the messages in `sent` that stay in the queue.

    An answer that is not a valid partial batch response, or that names an unknown message, fails all of them.
    """
    everything = frozenset(sent)
    if invocation.outcome is not Outcome.RETURNED:
        return everything
    if not report_item_failures:
        return frozenset()
    failed = _item_failures(orjson.loads(invocation.payload))
    return everything if failed is None or not failed <= everything else failed


def _item_failures(answer: object) -> frozenset[str] | None:
    """Return the identifiers of a partial batch response, or None for any other answer.

    No answer, an empty one, and one with an empty or null list mean that every message succeeded.
    """
    if answer is None or answer == {}:
        return frozenset()
    failures = answer.get("batchItemFailures", ()) if isinstance(answer, dict) else ""
    if failures is None:
        return frozenset()
    if not isinstance(failures, Sequence) or isinstance(failures, str):
        return None
    identifiers = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    named = frozenset(each for each in identifiers if isinstance(each, str) and each)
    return named if len(identifiers) == len([each for each in identifiers if each in named]) else None
