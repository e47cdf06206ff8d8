"""Records as Lambda hands them over: of the streams of tables, of Kinesis streams, and of the queue of changes.

A record whose changes could not be told is kept: it goes to the queue of failed changes as
`{"pushaside_record": <the record>, "reason": <a sentence>}`. Sent back to the queue of changes, it is read again as the
record that it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from push.changes.facts import Fact
from push.changes.kinesis_records import parse_kinesis_record
from push.changes.messages import parse_message
from push.changes.records import UnreadableChangeError
from push.changes.table_records import parse_table_record
from push.queues.escaping import escape_for_sqs

KEPT_RECORD = "pushaside_record"

QUEUE, TABLES, STREAMS = "aws:sqs", "aws:dynamodb", "aws:kinesis"
"""The values of `eventSource`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A record and what it tells.

    Args:
        record: the record, in the form in which it would be kept.
        at: when it was written or sent, in seconds since 1970; 0 if it does not say.
        facts: what it tells.
        problem: why it can't be read; empty if it can.
        is_again: whether it was kept, and is sent again.

    """

    record: Mapping[str, Any]
    at: float = 0.0
    facts: tuple[Fact, ...] = ()
    problem: str = ""
    is_again: bool = False


def id_of(record: Mapping[str, Any]) -> str:
    """Return what identifies a record among the failures of its batch.

    Source: "Reporting batch item failures" for DynamoDB, Kinesis and Amazon SQS (Lambda Developer Guide).
    """
    match record:
        case {"messageId": str(number)}:
            return number
        case {"dynamodb": {"SequenceNumber": str(number)}}:
            return number
        case {"kinesis": {"sequenceNumber": str(number)}}:
            return number
        case _:
            return ""


def read_record(record: Mapping[str, Any], formats: Mapping[str, str], document: str | None = None) -> Arrival:
    """Read a record of any source; never raises.

    Args:
        record: the record.
        formats: the formats of Kinesis streams by their names.
        document: the document that the body of a message stands for; None for a record of a stream.

    """
    at = _time_of(record)
    if document is not None:
        kept = _kept_in(document)
        if kept is not None:
            return replace(read_record(kept, formats), is_again=True)
        record = {"eventSource": QUEUE, "body": document}
    try:
        return Arrival(record=record, at=at, facts=tuple(_facts_of(record, formats)))
    except UnreadableChangeError as exc:
        return Arrival(record=record, at=at, problem=exc.message)


def keep(record: Mapping[str, Any], reason: str) -> str:
    """Return the message for the queue of failed changes."""
    return escape_for_sqs(msgspec.json.encode({KEPT_RECORD: record, "reason": reason}).decode())


def _kept_in(document: str) -> Mapping[str, Any] | None:
    """Return the record in a message that `keep` made; None for another message."""
    try:
        return msgspec.json.decode(document, type=_Kept).record
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


class _Kept(msgspec.Struct):
    record: dict[str, Any] = msgspec.field(name=KEPT_RECORD)


def _facts_of(record: Mapping[str, Any], formats: Mapping[str, str]) -> list[Fact]:
    match record.get("eventSource"):
        case "aws:dynamodb":
            return [parse_table_record(record)]
        case "aws:kinesis":
            item = parse_kinesis_record(record, formats)
            return [] if item is None else [item]
        case "aws:sqs":
            body = record.get("body")
            return parse_message(body if isinstance(body, str) else "")
        case other:
            raise UnreadableChangeError(f"No records of {other!r} are read.")


def _time_of(record: Mapping[str, Any]) -> float:
    match record:
        case {"dynamodb": {"ApproximateCreationDateTime": int() | float() as seconds}}:
            return float(seconds)
        case {"kinesis": {"approximateArrivalTimestamp": int() | float() as seconds}}:
            return float(seconds)
        case {"attributes": {"SentTimestamp": str(milliseconds)}} if milliseconds.isdecimal():
            return int(milliseconds) / 1000
        case _:
            return 0.0
