"""Rows of relational databases in records of a Kinesis stream: the envelopes of AWS DMS and of Debezium.

Sources: "Using Amazon Kinesis Data Streams as a target for AWS Database Migration Service" (AWS DMS User Guide);
"Data change events" of the connectors and "Debezium Server" (Debezium documentation).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from push.changes.facts import TableRow
from push.changes.records import Operation, UnreadableChangeError

_DMS_OPERATIONS: dict[str, Operation] = {"load": "insert", "insert": "insert", "update": "update", "delete": "delete"}
_DEBEZIUM_OPERATIONS: dict[str, Operation] = {
    "c": "insert",
    "r": "insert",  # a row of a snapshot
    "u": "update",
    "d": "delete",
    "t": "event",  # the table was truncated
}

_Row = dict[str, Any]


class _DmsMetadata(msgspec.Struct, rename="kebab"):
    operation: str
    record_type: Literal["data", "control"] = "data"
    schema_name: str = ""
    table_name: str = ""
    partition_key_type: str = ""
    partition_key_value: Any = None


class _DmsRecord(msgspec.Struct, rename="kebab"):
    metadata: _DmsMetadata
    data: _Row | None = None
    before_image: _Row | None = None


def read_dms(body: object, partition_key: str) -> TableRow | None:
    """Return the row of a record of AWS DMS; None for what changes no row, such as the start of a task.

    The record tells the primary key only if it is the partition key of the stream.

    Raises:
        UnreadableChangeError: the record is not in the format of AWS DMS.

    """
    record = _convert(body, _DmsRecord, "AWS DMS")
    about = record.metadata
    if not about.table_name or about.table_name.startswith("awsdms_"):
        return None  # the tables in which DMS keeps its own state
    table = _join(about.schema_name, about.table_name)
    if about.record_type == "control":
        return TableRow(table, "event")
    operation = _DMS_OPERATIONS.get(about.operation)
    if operation is None:
        raise UnreadableChangeError(f"A record of AWS DMS has the operation {about.operation!r}.")
    key = ""
    if about.partition_key_type == "primary-key":
        told = partition_key if about.partition_key_value is None else str(about.partition_key_value)
        key = told.removeprefix(f"{table}.")
    is_removed = operation == "delete"
    old = record.data if is_removed else record.before_image
    return TableRow(table, operation, key, old, None if is_removed else record.data)


class _DebeziumSource(msgspec.Struct):
    db: str = ""
    schema: str | None = None
    table: str | None = None
    collection: str | None = None
    """The place of a document of MongoDB."""


class _DebeziumEvent(msgspec.Struct):
    op: str | None = None
    source: _DebeziumSource | None = None
    before: _Row | str | None = None
    after: _Row | str | None = None
    """A str is the JSON of a document of MongoDB."""


def read_debezium(body: object, partition_key: str) -> TableRow | None:
    """Return the row of a record of Debezium; None for what changes no row: tombstones, heartbeats, transactions.

    `body` is the event's value, with or without the schema around it. Debezium Server makes the event's key, the
    primary key as JSON, the partition key of the stream.

    Raises:
        UnreadableChangeError: the record is not in Debezium's format.

    """
    payload = _unwrap(body)
    if payload is None:
        return None
    event = _convert(payload, _DebeziumEvent, "Debezium")
    source = event.source
    if event.op is None or event.op == "m" or source is None:
        return None
    operation, name = _DEBEZIUM_OPERATIONS.get(event.op), source.table or source.collection
    if operation is None or not name:
        raise UnreadableChangeError(f"A record of Debezium has the operation {event.op!r} and the table {name!r}.")
    table = _join(source.schema or source.db, name)
    return TableRow(table, operation, _read_key(partition_key), _read_row(event.before), _read_row(event.after))


def _unwrap(body: object) -> object:
    """Return the payload of JSON that Kafka Connect's converter wrote together with its schema."""
    return body["payload"] if isinstance(body, dict) and "payload" in body and "op" not in body else body


def _read_key(partition_key: str) -> str:
    try:
        key = _unwrap(msgspec.json.decode(partition_key))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ""  # too long for a partition key, or a table without a primary key
    return ",".join(map(str, key.values())) if isinstance(key, dict) else ""


def _read_row(row: _Row | str | None) -> _Row | None:
    if not isinstance(row, str):
        return row
    try:
        return msgspec.json.decode(row, type=_Row)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise UnreadableChangeError(f"A document in a record of Debezium is not JSON: {exc}.") from exc


def _join(schema: str, table: str) -> str:
    return f"{schema}.{table}" if schema else table


def _convert(body: object, kind: Any, name: str) -> Any:  # noqa: ANN401 - as the kind
    try:
        return msgspec.convert(body, kind)
    except (msgspec.ValidationError, RecursionError) as exc:
        raise UnreadableChangeError(f"A record is not in the format of {name}: {exc}.") from exc


def read_plain(_body: object, _partition_key: str) -> TableRow | None:
    """Return None: JSON of one's own tells of no row."""
    return None
