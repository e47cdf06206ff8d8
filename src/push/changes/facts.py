"""What records tell, each kind of source in its own form; places are physical names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from push.changes.records import Operation
from push.sources.raised_tags import RaisedTags
from push.sources.table_tags import RowChange


@dataclass(frozen=True, slots=True)
class RowWritten:
    """A write to a row of a DynamoDB table."""

    table: str
    change: RowChange


@dataclass(frozen=True, slots=True)
class ObjectWritten:
    """An object of a bucket that was written (`update`) or removed (`delete`)."""

    bucket: str
    key: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a relational table, as AWS DMS and Debezium tell it.

    Args:
        table: `schema.table`.
        operation: what happened to the row; `event` for what happened to the whole table.
        key: the values of the primary key, separated by commas; empty if the record does not tell them.
        old: the row before, if the record has it.
        new: the row after, if the record has it.

    """

    table: str
    operation: Operation
    key: str = ""
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StreamItem:
    """A record of a Kinesis stream: its JSON, and the row that it tells of in the formats of databases."""

    stream: str
    body: Any
    row: TableRow | None = None


@dataclass(frozen=True, slots=True)
class EventSent:
    """An event of EventBridge: the name that its rule or its sender gave it, and the event."""

    name: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessagePublished:
    """A message of an SNS topic: its JSON, or its text if it is not JSON."""

    topic_arn: str
    body: Any


Fact = RowWritten | ObjectWritten | StreamItem | EventSent | MessagePublished | RaisedTags
