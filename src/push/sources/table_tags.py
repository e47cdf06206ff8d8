"""The tags of tables: those that a read records, and those that a write raises. docs/caching.md lists them.

For every read, and every write that could alter its rows, at least one tag is the same. Of the table `T`, there are

| tag | a write raises it if | recorded by |
| --- | --- | --- |
| `@T` | always | a scan; a query by an index that is not declared |
| `@T#a=v&b=w` | it is to the row of this primary key | `get`, `get_many`, a query that names the whole key |
| `@T?a=v` | the row has the value before or after, in a key of the table or the partition key of an index | a query |
| `@T?a=v&s^4=abcd` | likewise, and its sort key `s` begins with these 4 bytes (or 7, or 10) | such a query |
| `@T?` | its record does not tell all attributes of the row before and after | every query by an index |

A stream's record does not tell which attribute of the table's key is the partition key, so a write raises the tags of
both. The value of a number begins with `N=`, that of bytes with `B=`, which no text can: `=` is escaped in texts.
"""

from __future__ import annotations

import decimal
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from push.sources.source_tags import SourceTag, escape, escape_name, fit
from push.tags import SOURCE_MARK

Attribute = Mapping[str, Any]
"""A value in DynamoDB's JSON: `{"S": "text"}`, `{"N": "12"}`, `{"B": "<base64>"}`, and kinds that no key has."""

PREFIX_BYTES = (10, 7, 4)
"""The beginnings of text sort keys that have tags, in bytes: days, months and years of ISO 8601 dates."""

# DynamoDB's numbers have at most 38 digits ("Supported data types and naming rules", DynamoDB Developer Guide).
_exact = decimal.Context(prec=50, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
_MAX_DIGITS = 40


@dataclass(frozen=True, slots=True)
class TrackedTable:
    """A table as its tags need it.

    Args:
        name: the physical name.
        indexes: the attributes of the partition key and of the sort key, if there is one, by the name of an index.

    """

    name: str
    indexes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowChange:
    """A write to a row, as a record of the table's stream tells it.

    Args:
        event: `INSERT`, `MODIFY` or `REMOVE`.
        keys: the primary key.
        old: the row before, if the record has it.
        new: the row after, if the record has it.

    Source: "StreamRecord" and "Record", Amazon DynamoDB Streams API Reference.

    """

    event: str
    keys: Mapping[str, Attribute]
    old: Mapping[str, Attribute] | None = None
    new: Mapping[str, Attribute] | None = None


def tags_of_table(table: TrackedTable) -> list[SourceTag]:
    """Return the tags of a read of all rows."""
    return [SourceTag(_whole(table))]


def tags_of_row(table: TrackedTable, key: Mapping[str, Any]) -> list[SourceTag]:
    """Return the tags of a read of one row by its primary key."""
    values = _encode_all(key)
    if values is None:
        return tags_of_table(table)
    partitions = (fit(_partition(table, name, value)) for name, value in values.items())
    return [SourceTag(_item(table, values), (*partitions, _whole(table)))]


def tags_of_query(
    table: TrackedTable,
    partition: Mapping[str, Any],
    *,
    index: str | None = None,
    begins_with: Mapping[str, Any] | None = None,
    between: Mapping[str, tuple[Any, Any]] | None = None,
) -> list[SourceTag]:
    """Return the tags of a query; `push.sources.ports.TableReader.query` explains the arguments."""
    values = _encode_all(partition)
    if values is None or not values or (index is not None and index not in table.indexes):
        return tags_of_table(table)
    if index is None and len(values) > 1:
        return tags_of_row(table, partition)
    attribute = next(iter(values)) if index is None else table.indexes[index][0]
    if attribute not in values:
        return tags_of_table(table)
    wide, whole, unknown = _partition(table, attribute, values[attribute]), _whole(table), _unknown(table)
    sort, beginning = _fixed_beginning(attribute, partition, begins_with or {}, between or {})
    size = next((size for size in PREFIX_BYTES if size <= len(beginning)), 0)
    if size:
        found = SourceTag(fit(_narrow(wide, sort, beginning[:size])), (fit(wide), whole))
        return [found] if index is None else [found, SourceTag(unknown, (unknown, whole))]
    found = SourceTag(fit(wide), (whole,))
    return [found] if index is None else [found, SourceTag(unknown, (whole,))]


def tags_of_change(table: TrackedTable, change: RowChange) -> list[str]:
    """Return the tags that a write raises, each once."""
    keys = {name: text for name, value in change.keys.items() if (text := _encode_attribute(value)) is not None}
    tags = [_whole(table), _item(table, keys)]
    # The record does not tell which attribute of the key is the partition key: each may be.
    names = tuple(change.keys)
    tags += _tags_of_places(table, change.keys, dict.fromkeys((names, names[::-1])))
    indexes = dict.fromkeys(tuple(index) for index in table.indexes.values())
    for image in (change.old, change.new):
        if image is not None:
            tags += _tags_of_places(table, image, indexes)
    if _lacks_an_image(change):
        tags.append(_unknown(table))
    return list(dict.fromkeys(tags))


def _lacks_an_image(change: RowChange) -> bool:
    needs_old, needs_new = change.event != "INSERT", change.event != "REMOVE"
    return (needs_old and change.old is None) or (needs_new and change.new is None)


def _tags_of_places(
    table: TrackedTable, row: Mapping[str, Attribute], indexes: Iterable[Sequence[str]]
) -> Iterator[str]:
    """Return the tags of a row's places in indexes, each given by the attributes of its partition and sort key."""
    for attribute, *sorts in indexes:
        value = _encode_attribute(row.get(attribute, {}))
        if value is None:
            continue
        wide = _partition(table, attribute, value)
        yield fit(wide)
        for sort in sorts:
            beginning = _encode_text(row.get(sort, {}).get("S", ""))
            for size in PREFIX_BYTES:
                if size <= len(beginning):
                    yield fit(_narrow(wide, sort, beginning[:size]))


def _fixed_beginning(
    attribute: str,
    partition: Mapping[str, Any],
    begins_with: Mapping[str, Any],
    between: Mapping[str, tuple[Any, Any]],
) -> tuple[str, bytes]:
    """Return the attribute of a query's sort key, and the bytes with which every value that it selects begins."""
    conditions = [
        *((name, (value, value)) for name, value in partition.items() if name != attribute),
        *((name, (value, value)) for name, value in begins_with.items()),
        *between.items(),
    ]
    for name, (low, high) in conditions:
        if isinstance(low, str) and isinstance(high, str):
            return name, _common(_encode_text(low), _encode_text(high))
    return "", b""


def _common(low: bytes, high: bytes) -> bytes:
    size = next((number for number, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), None)
    return low[: min(len(low), len(high)) if size is None else size]


def _whole(table: TrackedTable) -> str:
    return fit(SOURCE_MARK + escape_name(table.name))


def _unknown(table: TrackedTable) -> str:
    return fit(f"{SOURCE_MARK}{escape_name(table.name)}?")


def _item(table: TrackedTable, values: Mapping[str, str]) -> str:
    key = "&".join(f"{escape_name(name)}={value}" for name, value in sorted(values.items()))
    return fit(f"{SOURCE_MARK}{escape_name(table.name)}#{key}")


def _partition(table: TrackedTable, attribute: str, value: str) -> str:
    return f"{SOURCE_MARK}{escape_name(table.name)}?{escape_name(attribute)}={value}"


def _narrow(partition: str, sort: str, beginning: bytes) -> str:
    return f"{partition}&{escape_name(sort)}^{len(beginning)}={escape(beginning)}"


def _encode_all(key: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the values of a key as tags have them; None if one is not of a kind that keys have."""
    values = {name: encoded for name, value in key.items() if (encoded := _encode_value(value)) is not None}
    return values if len(values) == len(key) else None


def _encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _encode_value(value: Any) -> str | None:  # noqa: ANN401 - any plain value
    match value:
        case bool():
            return None
        case str():
            return escape(value)
        case int() if -(10**_MAX_DIGITS) < value < 10**_MAX_DIGITS:
            return f"N={value:d}"
        case int() | float() | decimal.Decimal():
            # Through text, as the reader sends it: the float 0.1 is 0.1 to DynamoDB.
            return _encode_number(str(value))
        case bytes() | bytearray():
            return _encode_bytes(b64encode(value).decode())
        case _:
            return None


def _encode_attribute(attribute: Attribute) -> str | None:
    match attribute:
        case {"S": str(text)}:
            return escape(text)
        case {"N": str(text)}:
            return _encode_number(text)
        case {"B": str(text)}:
            return _encode_bytes(text)
        case _:
            return None


def _encode_bytes(text: str) -> str:
    return f"B={escape(text)}"


def _encode_number(text: str) -> str:
    """Return a form that equal numbers share."""
    number = _exact.create_decimal(text).normalize(_exact)
    if not number:
        return "N=0"
    is_whole = number.is_finite() and number.adjusted() < _MAX_DIGITS and number == number.to_integral_value()
    return f"N={int(number):d}" if is_whole else f"N={number}"
