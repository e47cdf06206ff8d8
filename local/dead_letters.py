"""The dead letters of a deployed stack, which CloudFormation names and SQS holds."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.errors import LocalRuntimeError

QUEUES = {
    "request": "Request",
    "compute": "Compute",
    "delivery": "Delivery",
    "webhook": "Webhook",
    "change": "Change",
}
"""The name of each queue and the beginning of its logical ids, `RequestQueue` and `RequestDeadLetterQueue`."""

_BATCH = 10
_BATCH_BYTES = 1024 * 1024
"""Amazon SQS, "message quotas": a batch holds ten messages, and one MiB altogether since August 2025."""

_ENTRY_BYTES = 1024
"""The most that a message counts beside its body; our attributes are short."""

_HIDDEN_SECONDS = 60
"""The time for which a read hides letters from other readers."""

_STREAM_FAILURES = ("DDBStreamBatchInfo", "KinesisBatchInfo")
"""Members of a stream's failure record, which names the lost records but does not contain them."""

MakeClient = Callable[[str], Any]


class RedriveError(LocalRuntimeError):
    """The dead letters are unreachable."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed at every attempt; `outcome` is `listed`, `sent`, `refused` or `unsendable`."""

    message_id: str
    receipt: str
    body: str
    sent_at: float
    age_seconds: float
    receives: int
    attributes: Mapping[str, Any]
    group: str = ""
    source_arn: str = ""
    outcome: str = "listed"

    @property
    def is_unsendable(self) -> bool:
        """True if the letter names records of a stream, which no function reads from a queue."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return False
        return isinstance(document, dict) and any(name in document for name in _STREAM_FAILURES)

    @property
    def size_bytes(self) -> int:
        """The most that the letter counts in a batch."""
        return len(self.body.encode()) + len(json.dumps(self.attributes, default=repr)) + _ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class Redriven:
    """Letters with their outcomes."""

    letters: tuple[DeadLetter, ...] = ()
    reason: str = ""

    def __add__(self, other: Redriven) -> Redriven:
        return Redriven(self.letters + other.letters, self.reason or other.reason)

    @property
    def sent(self) -> int:
        """The number of letters sent again."""
        return self._count("sent")

    @property
    def refused(self) -> int:
        """The number of letters that SQS refused."""
        return self._count("refused")

    @property
    def unsendable(self) -> int:
        """The number of letters that no queue accepts."""
        return self._count("unsendable")

    def _count(self, outcome: str) -> int:
        return sum(letter.outcome == outcome for letter in self.letters)


@dataclass(slots=True)
class DeadLetterQueue:
    """A dead-letter queue, and the queue that its letters return to unless they name another."""

    name: str
    logical_id: str
    source_id: str
    url: str
    source_url: str
    urls: Mapping[str, str]
    """URL by ARN of every queue of the stack."""
    sqs: Any
    count: int = 0

    def peek(self, limit: int | None) -> list[DeadLetter]:
        """Return letters without removing them. Letters that another reader holds are missing."""
        letters: list[DeadLetter] = []
        try:
            while limit is None or len(letters) < limit:
                batch = self._receive(_BATCH if limit is None else min(_BATCH, limit - len(letters)))
                if not batch:
                    break
                letters += batch
            return letters
        finally:
            self._release(letters)

    def redrive(self, limit: int | None) -> Iterator[Redriven]:
        """Send letters again in batches, and delete each only after SQS accepted it.

        Letters that die again meanwhile stay for the next run, and so do letters that cannot be sent.
        """
        began, left = time.time(), limit
        kept: dict[str, DeadLetter] = {}
        try:
            while left is None or left > 0:
                received = self._receive(_BATCH if left is None else min(_BATCH, left))
                letters = [each for each in received if each.sent_at <= began and each.message_id not in kept]
                kept |= {each.message_id: each for each in received if each not in letters}
                if not letters:
                    break
                redriven = self._redrive_batch(letters)
                kept |= {each.message_id: each for each in redriven.letters if each.outcome != "sent"}
                left = None if left is None else left - len(letters)
                yield redriven
        finally:
            self._release(list(kept.values()))

    def _redrive_batch(self, letters: Sequence[DeadLetter]) -> Redriven:
        unsendable = tuple(replace(letter, outcome="unsendable") for letter in letters if letter.is_unsendable)
        redriven = Redriven(unsendable)
        for url, group in self._group(letter for letter in letters if not letter.is_unsendable):
            redriven += self._send(url, group)
        return redriven

    def _group(self, letters: Iterator[DeadLetter]) -> Iterator[tuple[str, list[DeadLetter]]]:
        """Group letters by target queue, in groups that fit one batch."""
        open_groups: dict[str, list[DeadLetter]] = {}
        for letter in letters:
            url = self.urls.get(letter.source_arn, self.source_url)
            group = open_groups.setdefault(url, [])
            if group and sum(each.size_bytes for each in group) + letter.size_bytes > _BATCH_BYTES:
                yield url, group
                group = open_groups[url] = []
            group.append(letter)
        yield from open_groups.items()

    def _send(self, url: str, letters: Sequence[DeadLetter]) -> Redriven:
        entries = [_entry(str(index), letter) for index, letter in enumerate(letters)]
        with _asking():
            answer = self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        failed = {int(each["Id"]): each.get("Message") or each["Code"] for each in answer.get("Failed", ())}
        self._delete([letter for index, letter in enumerate(letters) if index not in failed])
        outcomes = ["refused" if index in failed else "sent" for index in range(len(letters))]
        told = tuple(replace(letter, outcome=outcome) for letter, outcome in zip(letters, outcomes, strict=True))
        return Redriven(told, next(iter(failed.values()), ""))

    def _delete(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        entries = [{"Id": str(index), "ReceiptHandle": each.receipt} for index, each in enumerate(letters)]
        with _asking():
            answer = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        if failed := answer.get("Failed"):
            sentence = f"{len(failed)} letters were sent but not deleted, so the next redrive sends them twice"
            raise RedriveError(f"{sentence}: {failed[0].get('Message') or failed[0]['Code']}.")

    def _receive(self, most: int) -> list[DeadLetter]:
        with _asking():
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=most,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [_read(message, time.time()) for message in answer.get("Messages", ())]

    def _release(self, letters: Sequence[DeadLetter]) -> None:
        """Make letters visible to other readers at once, before their visibility timeout."""
        for start in range(0, len(letters), _BATCH):
            entries = [
                {"Id": str(index), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for index, letter in enumerate(letters[start : start + _BATCH])
            ]
            with _asking():
                self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)


def find_queues(make_client: MakeClient, stack: str, names: Sequence[str] = ()) -> list[DeadLetterQueue]:
    """Return the dead-letter queues of a stack with these names, or all of them.

    Raises:
        RedriveError: the stack or a named queue does not exist, or AWS did not answer.

    """
    with _asking():
        urls = _find_urls(make_client("cloudformation"), stack)
        sqs = make_client("sqs")
        attributes = {logical_id: _read_attributes(sqs, url) for logical_id, url in urls.items()}
    by_arn = {attributes[logical_id]["QueueArn"]: logical_id for logical_id in urls}
    found = []
    for name in names or QUEUES:
        source_id = f"{QUEUES[name]}Queue"
        dead_id = by_arn.get(_dead_letter_arn(attributes.get(source_id, {})), f"{QUEUES[name]}DeadLetterQueue")
        if source_id in urls and dead_id in urls:
            count = int(attributes[dead_id].get("ApproximateNumberOfMessages", 0))
            arns = {arn: urls[logical_id] for arn, logical_id in by_arn.items()}
            found.append(DeadLetterQueue(name, dead_id, source_id, urls[dead_id], urls[source_id], arns, sqs, count))
        elif names:
            raise RedriveError(f"The stack {stack!r} has no {source_id} with dead letters.")
    return found


def _find_urls(cloudformation: Any, stack: str) -> dict[str, str]:  # noqa: ANN401  # a boto3 client
    """Return the URL of each queue of the stack by its logical id; the queues' physical ids are their URLs."""
    # DescribeStackResources would stop at a hundred.
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::SQS::Queue"
    }


def _read_attributes(sqs: Any, url: str) -> dict[str, str]:  # noqa: ANN401  # a boto3 client
    attributes: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return attributes


def _dead_letter_arn(attributes: Mapping[str, str]) -> str:
    policy: dict[str, Any] = json.loads(attributes.get("RedrivePolicy") or "{}")
    return str(policy.get("deadLetterTargetArn", ""))


def _read(message: Mapping[str, Any], now: float) -> DeadLetter:
    system = message.get("Attributes", {})
    sent_at = int(system.get("SentTimestamp", 0)) / 1000
    return DeadLetter(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        sent_at=sent_at,
        age_seconds=max(0.0, now - sent_at),
        receives=int(system.get("ApproximateReceiveCount", 0)),
        attributes=message.get("MessageAttributes", {}),
        group=system.get("MessageGroupId", ""),
        source_arn=system.get("DeadLetterQueueSourceArn", ""),
    )


def _entry(entry_id: str, letter: DeadLetter) -> dict[str, Any]:
    """Return the batch entry of a letter, with its body, attributes and message group unchanged."""
    entry: dict[str, Any] = {"Id": entry_id, "MessageBody": letter.body}
    if letter.attributes:
        entry["MessageAttributes"] = dict(letter.attributes)
    if letter.group:
        entry["MessageGroupId"] = letter.group
    return entry


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """Translate errors of AWS calls to RedriveError."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise RedriveError(f"AWS refused a call or did not answer: {error}") from error
