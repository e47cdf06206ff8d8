"""What a fact changes: the tags that its kind of source raises by rule, and the functions that are to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from push.changes.declaring import ChangeFunction, ChangeFunctions
from push.changes.facts import EventSent, Fact, MessagePublished, ObjectWritten, RowWritten, StreamItem, TableRow
from push.changes.own_sources import BUILT_IN
from push.changes.records import ChangeRecord, Operation, UnreadableChangeError
from push.changes.source_names import SourceNames
from push.sources.bucket_tags import tags_of_changed_object
from push.sources.raised_tags import RaisedTags
from push.sources.table_tags import tags_of_change
from push.tags import ALL_SCOPES, MAX_TAG_BYTES, TagScope

RAISED = "tags"
"""The source of tags that callers raise."""

_ROW_OPERATIONS: dict[str, Operation] = {"INSERT": "insert", "MODIFY": "update", "REMOVE": "delete"}

ReadImage = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Returns plain values for attributes of DynamoDB in the JSON of an event. Raises UnreadableChangeError."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one fact tells of one source.

    Args:
        source: the name of the source; of one that nobody declared, the physical name.
        scope: the scope of the tags.
        tags: the tags that a rule raises.
        functions: the functions that name further tags.
        record: the change as these functions receive it; None if there are none.

    """

    source: str
    scope: TagScope = None
    tags: tuple[str, ...] = ()
    functions: tuple[ChangeFunction, ...] = ()
    record: ChangeRecord | None = None


@dataclass(frozen=True, slots=True)
class Teller:
    """Says what facts change.

    Args:
        names: the names of the sources.
        functions: the registered functions.
        read_image: reads the rows of records of DynamoDB.

    """

    names: SourceNames
    functions: ChangeFunctions
    read_image: ReadImage

    def tell(self, fact: Fact, at: float) -> Sequence[Told]:
        """Return what a fact of a time (seconds since 1970, 0 if unknown) tells of each source that it belongs to.

        Raises:
            UnreadableChangeError: it belongs to no source, or the row of a record is malformed.

        """
        match fact:
            case RaisedTags():
                return [Told(RAISED, fact.tag_scope, fact.tags)]
            case RowWritten():
                return list(self._tell_row(fact, at))
            case ObjectWritten():
                return list(self._tell_object(fact, at))
            case StreamItem():
                return list(self._tell_item(fact, at))
            case EventSent():
                return [self._tell_event(fact, at)]
            case MessagePublished():
                return list(self._tell_message(fact, at))

    def _tell_row(self, fact: RowWritten, at: float) -> Iterator[Told]:
        tracked, change = self.names.tracked_table(fact.table), fact.change
        tags = () if tracked is None else tuple(tags_of_change(tracked, change))
        for number, name in enumerate(self.names.tables.get(fact.table, (fact.table,))):
            functions = self.functions.of(name)
            record = functions and ChangeRecord(
                source=name,
                operation=_ROW_OPERATIONS[change.event],
                at=at,
                key=self.read_image(change.keys),
                old=None if change.old is None else self.read_image(change.old),
                new=None if change.new is None else self.read_image(change.new),
            )
            yield Told(name, None, () if number else tags, functions, record or None)

    def _tell_object(self, fact: ObjectWritten, at: float) -> Iterator[Told]:
        is_tracked = self.names.is_tracked_bucket(fact.bucket)
        tags = tuple(tags_of_changed_object(fact.bucket, fact.key)) if is_tracked else ()
        for number, name in enumerate(self.names.buckets.get(fact.bucket, (fact.bucket,))):
            record = ChangeRecord(source=name, operation=fact.operation, at=at, object_key=fact.key)
            yield Told(name, None, () if number else tags, self.functions.of(name), record)

    def _tell_item(self, fact: StreamItem, at: float) -> Iterator[Told]:
        for name in self._known(fact.stream, self.names.streams, "stream"):
            row, record = fact.row, ChangeRecord(source=name, at=at, body=fact.body)
            if row is not None:
                record = ChangeRecord(
                    source=name,
                    operation=row.operation,
                    at=at,
                    body=fact.body,
                    table=row.table,
                    old=row.old,
                    new=row.new,
                )
            tags = () if row is None else _tags_of_row(name, row)
            yield Told(name, ALL_SCOPES, tags, self.functions.of(name), record)

    def _tell_event(self, fact: EventSent, at: float) -> Told:
        functions = self.functions.of(fact.name)
        if not functions and fact.name not in self.names.events:
            raise UnreadableChangeError(
                f"No event is named {fact.name!r}. Declare it in pushaside.toml as [events.NAME], or register a"
                f" function with @changes_of({fact.name!r})."
            )
        return Told(fact.name, None, (), functions, ChangeRecord(source=fact.name, at=at, body=fact.event))

    def _tell_message(self, fact: MessagePublished, at: float) -> Iterator[Told]:
        for name in self._known(fact.topic_arn, self.names.notifications, "notification"):
            yield Told(name, None, (), self.functions.of(name), ChangeRecord(source=name, at=at, body=fact.body))

    def _known(self, place: str, names: Mapping[str, tuple[str, ...]], kind: str) -> tuple[str, ...]:
        try:
            return names[place]
        except KeyError:
            raise UnreadableChangeError(
                f"No {kind} is declared for {place!r}. Declare it in pushaside.toml as [{kind}s.NAME]."
            ) from None


def shown_name(source: str) -> str:
    """Return the name of a source as metrics and the log have it."""
    return source.removeprefix(BUILT_IN)


def _tags_of_row(stream: str, row: TableRow) -> tuple[str, ...]:
    """Return the tags of a row of a relational table: `ledger:shop.orders`, and with its key `ledger:shop.orders#42`.

    A tag that no result could depend on, because it is too long, is left out.
    """
    table = f"{stream}:{row.table}"
    tags = (table, f"{table}#{row.key}") if row.key else (table,)
    return tuple(tag for tag in tags if len(tag.encode("utf-8", "surrogatepass")) <= MAX_TAG_BYTES)
