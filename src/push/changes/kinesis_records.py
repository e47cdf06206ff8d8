"""Records of Kinesis streams.

Source: "Using Lambda to process records from Amazon Kinesis Data Streams" (Lambda Developer Guide).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from push.changes.facts import StreamItem, TableRow
from push.changes.records import UnreadableChangeError
from push.changes.row_envelopes import read_debezium, read_dms, read_plain

_ROW_READERS: dict[str, Callable[[object, str], TableRow | None]] = {
    "json": read_plain,
    "dms": read_dms,
    "debezium": read_debezium,
}


class _KinesisData(msgspec.Struct):
    data: str
    partition_key: str = msgspec.field(name="partitionKey", default="")


class _KinesisRecord(msgspec.Struct):
    arn: str = msgspec.field(name="eventSourceARN")
    kinesis: _KinesisData


def parse_kinesis_record(record: Mapping[str, Any], formats: Mapping[str, str]) -> StreamItem | None:
    """Parse a record of a stream; None for one without content, such as a tombstone of Debezium.

    Args:
        record: the record, as Lambda hands it over.
        formats: `json`, `dms` or `debezium` by the name of a stream; `json` for others.

    Raises:
        UnreadableChangeError: it is none, or not in its format.

    """
    try:
        parsed = msgspec.convert(record, _KinesisRecord)
        content = base64.b64decode(parsed.kinesis.data, validate=True)
    except (msgspec.ValidationError, binascii.Error, ValueError) as exc:
        raise UnreadableChangeError(f"A record is not one of a Kinesis stream: {exc}.") from exc
    if not content.strip():
        return None
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise UnreadableChangeError(f"A record of a Kinesis stream is not JSON: {exc}.") from exc
    stream = stream_of(parsed.arn)
    return StreamItem(stream, body, read_row(formats.get(stream, "json"), body, parsed.kinesis.partition_key))


def read_row(form: str, body: object, partition_key: str) -> TableRow | None:
    """Return the row that the JSON of a record tells of in a format; None if it tells of none.

    Raises:
        UnreadableChangeError: the record is not in the format.

    """
    return _ROW_READERS[form](body, partition_key)


def stream_of(arn: str) -> str:
    """Return the name of a stream, given its ARN or that of one of its consumers.

    Raises:
        UnreadableChangeError: the ARN is not that of a stream.

    """
    name = arn.partition(":stream/")[2].partition("/")[0]
    if not name:
        raise UnreadableChangeError(f"The ARN {arn!r} is not that of a Kinesis stream.")
    return name
