"""Changes in a test: what one change of a source raises, by the rules and functions that production uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from push.adapters.change_functions import ask
from push.adapters.dynamodb.images import read_image, write_image
from push.changes.declaring import ChangeFunctions
from push.changes.facts import Fact, ObjectWritten, RowWritten, StreamItem
from push.changes.kinesis_records import read_row
from push.changes.records import ChangedTag, Operation
from push.changes.source_names import SourceNames
from push.changes.telling import Teller
from push.sources.declared import DeclaredBucket, DeclaredSources, DeclaredStream, DeclaredTable
from push.sources.table_tags import RowChange
from push.tags import ALL_SCOPES, SOURCE_MARK, TagScope
from push.testing.tables import MemoryTable


class ToldChange(TypedDict, total=False):
    """What a change tells beside its body.

    Args:
        old: of a table, the row before; None or left out if it is new.
        new: of a table, the row after; None or left out if it was removed.
        object_key: the key of a bucket's object.
        operation: what happened to the object; `update` if left out.
        partition_key: of a stream's record, as AWS DMS and Debezium Server set it.
        at: when it was written or sent, in seconds since 1970.

    """

    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    object_key: str
    operation: Operation
    partition_key: str
    at: float


async def tags_of_row(
    functions: ChangeFunctions, table: MemoryTable, source: str, told: ToldChange
) -> list[str | ChangedTag]:
    """Return the tags that a write to a row of a table raises."""
    old, new = told.get("old"), told.get("new")
    event = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    change = RowChange(
        event,
        write_image(table.key_of(old or new or {})),
        None if old is None else write_image(old),
        None if new is None else write_image(new),
    )
    indexes = {index: tuple(keys) for index, keys in table.tracked.indexes.items()}
    declared = DeclaredSources(tables={source: DeclaredTable(source, indexes)})
    return await _tell(functions, declared, RowWritten(source, change), told)


async def tags_of_object(functions: ChangeFunctions, source: str, told: ToldChange) -> list[str | ChangedTag]:
    """Return the tags that a change of an object of a bucket raises."""
    declared = DeclaredSources(buckets={source: DeclaredBucket(source)})
    return await _tell(
        functions, declared, ObjectWritten(source, told["object_key"], told.get("operation", "update")), told
    )


async def tags_of_body(
    functions: ChangeFunctions, source: str, form: str, body: object, told: ToldChange
) -> list[str | ChangedTag]:
    """Return the tags that the JSON of a record, an event or a notification raises.

    Raises:
        LookupError: nothing would be raised ever, because no function is registered.
        UnreadableChangeError: the record is not in its format.

    """
    row = read_row(form, body, told.get("partition_key", ""))
    if form == "json" and not functions.of(source):
        known = ", ".join(sorted(functions.by_source)) or "none"
        raise LookupError(f"No function is registered with @changes_of({source!r}). There are functions of: {known}.")
    declared = DeclaredSources(streams={source: DeclaredStream(source)})
    return await _tell(functions, declared, StreamItem(source, body, row), told)


async def _tell(
    functions: ChangeFunctions, declared: DeclaredSources, fact: Fact, told: ToldChange
) -> list[str | ChangedTag]:
    raised: dict[tuple[str, TagScope], None] = {}
    for each in Teller(SourceNames(declared), functions, read_image).tell(fact, told.get("at", 0.0)):
        raised.update(dict.fromkeys((tag, each.scope) for tag in each.tags))
        for function in each.functions:
            if each.record is not None:
                raised.update(dict.fromkeys(await ask(function, each.record)))
    return [_show(tag, scope) for tag, scope in raised]


def _show(tag: str, scope: TagScope) -> str | ChangedTag:
    if scope is ALL_SCOPES or tag.startswith(SOURCE_MARK):
        return tag
    return ChangedTag(tag, scope)
