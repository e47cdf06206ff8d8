"""Records of the streams of DynamoDB tables.

Source: "Record" and "StreamRecord", Amazon DynamoDB Streams API Reference; in an event of Lambda the table is named by
the ARN of its stream, `arn:aws:dynamodb:<region>:<account>:table/<name>/stream/<label>`.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from push.changes.facts import RowWritten
from push.changes.records import UnreadableChangeError
from push.sources.table_tags import RowChange

_Image = dict[str, dict[str, Any]]


class _StreamData(msgspec.Struct):
    keys: _Image = msgspec.field(name="Keys")
    old: _Image | None = msgspec.field(name="OldImage", default=None)
    new: _Image | None = msgspec.field(name="NewImage", default=None)


class _StreamRecord(msgspec.Struct):
    arn: str = msgspec.field(name="eventSourceARN")
    event: Literal["INSERT", "MODIFY", "REMOVE"] = msgspec.field(name="eventName")
    data: _StreamData = msgspec.field(name="dynamodb")


def parse_table_record(record: Mapping[str, Any]) -> RowWritten:
    """Parse a record of a table's stream.

    Raises:
        UnreadableChangeError: it is none.

    """
    try:
        parsed = msgspec.convert(record, _StreamRecord)
    except msgspec.ValidationError as exc:
        raise UnreadableChangeError(f"A record is not one of a table's stream: {exc}.") from exc
    data = parsed.data
    if not data.keys:
        raise UnreadableChangeError("A record of a table's stream has no primary key.")
    for image in (data.keys, data.old or {}, data.new or {}):
        for name, value in image.items():
            _check(name, value)
    return RowWritten(table_of(parsed.arn), RowChange(parsed.event, data.keys, data.old, data.new))


def table_of(arn: str) -> str:
    """Return the name of the table of a stream.

    Raises:
        UnreadableChangeError: the ARN is not that of a table's stream.

    """
    name = arn.partition(":table/")[2].partition("/stream/")[0]
    if not name:
        raise UnreadableChangeError(f"The ARN {arn!r} is not that of a table's stream.")
    return name


def _check(name: str, value: Mapping[str, Any]) -> None:
    """Refuse a value that is not one of DynamoDB: it would break what reads the image later."""
    if len(value) != 1:
        raise UnreadableChangeError(f"The attribute {name!r} of a record does not have one type.")
    match value:
        case {"N": str(text)}:
            try:
                is_number = decimal.Decimal(text).is_finite()
            except decimal.InvalidOperation:
                is_number = False
            if not is_number:
                raise UnreadableChangeError(f"The attribute {name!r} of a record is no number: {text!r}.")
        case {"S": held} | {"B": held} | {"N": held} if not isinstance(held, str):
            raise UnreadableChangeError(f"The attribute {name!r} of a record is not text.")
