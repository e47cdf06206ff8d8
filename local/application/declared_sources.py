"""The sources of an application, as `pushaside.toml` declares them: tables, buckets, streams, events, notifications."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
"""What CloudFormation takes in the name of a parameter and of a resource."""

_TABLE_ARN = re.compile(r"arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table/([\w.-]+)")
_TABLE_STREAM_ARN = re.compile(r"arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table/([\w.-]+)/stream/\S+")
_STREAM_ARN = re.compile(r"arn:[\w-]+:kinesis:[\w-]+:\d{12}:stream/([\w.-]+)")
_TOPIC_ARN = re.compile(r"arn:[\w-]+:sns:[\w-]+:\d{12}:([\w.-]+)")


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A source; a field that names a resource is left out if the application's template declares it."""


class Table(_Source, frozen=True):
    """A table of DynamoDB: that of the same logical id in the template, or one that exists elsewhere.

    `name` or `arn` names one that exists elsewhere, and `stream` is the ARN of its stream, whose records tell of
    changes. `indexes` gives the partition and sort attributes of its indexes; those of an own table are read from the
    template.
    """

    name: str | None = None
    stream: str | None = None
    arn: str | None = None
    indexes: dict[str, tuple[str, ...]] = {}

    @property
    def is_own(self) -> bool:
        """True if the application's template declares the table."""
        return self.name is None and self.arn is None and self.stream is None

    @property
    def table_name(self) -> str:
        """The name of a table that exists elsewhere."""
        if self.name is not None:
            return self.name
        found = _TABLE_ARN.match(self.arn or self.stream or "")
        return found[1] if found else ""


class Bucket(_Source, frozen=True):
    """A bucket of S3: that of the same logical id in the template, or the existing one that `name` names."""

    name: str | None = None

    @property
    def is_own(self) -> bool:
        """True if the application's template declares the bucket."""
        return self.name is None


class Stream(_Source, frozen=True):
    """A stream of Kinesis: that of the same logical id in the template, or the existing one that `arn` names.

    `format` says what its records are: JSON of the application's own, or the changed rows that the AWS Database
    Migration Service or Debezium writes.
    """

    arn: str | None = None
    format: Literal["json", "dms", "debezium"] = "json"

    @property
    def is_own(self) -> bool:
        """True if the application's template declares the stream."""
        return self.arn is None

    @property
    def stream_name(self) -> str:
        """The name of a stream that exists elsewhere."""
        found = _STREAM_ARN.fullmatch(self.arn or "")
        return found[1] if found else ""


class Events(_Source, frozen=True):
    """The events on a bus of EventBridge that fit a pattern.

    `bus` is the logical id of a bus in the template, or the name or ARN of one that exists elsewhere.
    """

    pattern: dict[str, Any] = {}
    bus: str = "default"


class Notifications(_Source, frozen=True):
    """A topic of SNS: that of the same logical id in the template, or the existing one that `arn` names."""

    arn: str | None = None

    @property
    def is_own(self) -> bool:
        """True if the application's template declares the topic."""
        return self.arn is None

    @property
    def topic_name(self) -> str:
        """The name of a topic that exists elsewhere."""
        found = _TOPIC_ARN.fullmatch(self.arn or "")
        return found[1] if found else ""


Source = Table | Bucket | Stream | Events | Notifications


class DeclaredSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sources by their logical names, one section of the file for each kind."""

    tables: dict[str, Table] = {}
    buckets: dict[str, Bucket] = {}
    streams: dict[str, Stream] = {}
    events: dict[str, Events] = {}
    notifications: dict[str, Notifications] = {}

    def find_fault(self) -> str | None:
        """Return what is wrong with the sources and how to mend it, in a sentence; None for sound ones."""
        return next(self._faults(), None)

    def sections(self) -> Iterator[tuple[str, str, Source]]:
        """Yield kind, logical name and source of each."""
        by_kind: dict[str, Mapping[str, Source]] = {
            "tables": self.tables,
            "buckets": self.buckets,
            "streams": self.streams,
            "events": self.events,
            "notifications": self.notifications,
        }
        for kind, sources in by_kind.items():
            for name, source in sources.items():
                yield kind, name, source

    def _faults(self) -> Iterator[str]:
        for kind, name, source in self.sections():
            if not _NAME.fullmatch(name):
                yield f"[{kind}.{name}] is not a name of letters and digits, a letter first; choose one that is."
            for fault in _faults_of(source):
                yield f"[{kind}.{name}] {fault}"
        counts = Counter(name for _, name, _ in self.sections())
        for name, count in counts.items():
            if count > 1:
                yield f"{name} names {count} sources; give each a name of its own."


def _faults_of(source: Source) -> Iterator[str]:
    match source:
        case Table():
            yield from _faults_of_table(source)
        case Stream():
            yield from _fault_of_arn(source.arn, _STREAM_ARN, "arn", "a Kinesis stream")
        case Notifications():
            yield from _fault_of_arn(source.arn, _TOPIC_ARN, "arn", "an SNS topic")
        case Events() if not source.pattern:
            yield 'has no `pattern`; write which events it is about, such as pattern = {source = ["shop.prices"]}.'
        case Events():
            yield from (
                f'gives {field} in `pattern` a value that is not a list; write {field} = ["..."].'
                for field in _plain_values(source.pattern)
            )


def _faults_of_table(table: Table) -> Iterator[str]:
    yield from _fault_of_arn(table.arn, _TABLE_ARN, "arn", "a DynamoDB table")
    yield from _fault_of_arn(table.stream, _TABLE_STREAM_ARN, "stream", "the stream of a DynamoDB table")
    for index, attributes in table.indexes.items():
        if not 1 <= len(attributes) <= 2:
            yield (
                f"gives the index {index} {len(attributes)} attributes; name its partition attribute, and its sort "
                "attribute if it has one."
            )


def _fault_of_arn(arn: str | None, form: re.Pattern[str], field: str, what: str) -> Iterator[str]:
    if arn is not None and not form.fullmatch(arn):
        yield f"has {field} = {arn!r}, which is not the ARN of {what}; write the ARN, or remove `{field}`."


def _plain_values(pattern: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields of an event pattern that have neither a list nor fields of their own."""
    for field, value in pattern.items():
        if isinstance(value, dict):
            yield from _plain_values(value)
        elif not isinstance(value, list) or not value:
            yield field
