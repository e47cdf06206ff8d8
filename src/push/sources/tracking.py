"""Tracked reads: every read of a table or bucket first records the tags that a change of what it reads raises.

The versions of the tags are read before the source, so that a change during the run is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from push.sources.bucket_tags import tags_of_list, tags_of_object
from push.sources.ports import BucketReader, Row, TableReader, Value
from push.sources.source_tags import SourceTag
from push.sources.table_tags import TrackedTable, tags_of_query, tags_of_row, tags_of_table

MAX_TRACKED_TAGS = 100
"""A read that would add tags beyond these adds wider ones instead; the widest of a source are added in any case."""

_MAX_NARROW_TAGS = 80
"""A read adds none but wider tags beyond these: there must be room for them, or a whole table would stand for much."""


class TagWatch(Protocol):
    """Watches the tags of a run for changes."""

    async def begin(self, tags: Iterable[str], *, may_lag: bool = False) -> None:
        """Read the versions of tags that are not watched yet; a read of their source follows.

        Never raises: a watch that can't read versions takes it that the tags changed.

        Args:
            tags: the tags that the read records or has recorded.
            may_lag: the read may return a state from before a change that was told already.

        """


class NoWatch:
    """`TagWatch` of a run whose result is not stored as fresh."""

    async def begin(self, tags: Iterable[str], *, may_lag: bool = False) -> None:
        """See `TagWatch.begin`."""


NO_WATCH: Final = NoWatch()


class TrackedReads:
    """The tags of what one run has read."""

    __slots__ = ("_tags", "_watch")

    def __init__(self, watch: TagWatch) -> None:
        self._watch = watch
        self._tags: dict[str, SourceTag] = {}

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order in which they were recorded."""
        return tuple(self._tags)

    def widest(self) -> tuple[str, ...]:
        """Return one tag for each source, for a result whose other tags leave no room for all."""
        return tuple(dict.fromkeys((tag.text, *tag.wider)[-1] for tag in self._tags.values()))

    async def begin(self, tags: Sequence[SourceTag], *, may_lag: bool = False) -> None:
        """Record the tags of a read before it; see `TagWatch.begin`."""
        await self._watch.begin(self._record(tags), may_lag=may_lag)

    def _record(self, tags: Sequence[SourceTag]) -> list[str]:
        """Record tags, or wider ones if there would be too many, and return those that now stand for the read."""
        standing: list[str] = []
        new: dict[str, SourceTag] = {}
        for tag in tags:
            recorded = next((text for text in (tag.text, *tag.wider) if text in self._tags), None)
            if recorded is None:
                new[tag.text] = tag
            else:
                standing.append(recorded)
        room = _MAX_NARROW_TAGS
        while len(self._tags) + len(new) > room and any(tag.wider for tag in new.values()):
            new = {wider.text: wider for wider in map(_widen, new.values())}
            room = MAX_TRACKED_TAGS
        self._tags.update(new)
        return [*standing, *new]


def _widen(tag: SourceTag) -> SourceTag:
    return SourceTag(tag.wider[0], tag.wider[1:]) if tag.wider else tag


@dataclass(frozen=True, slots=True)
class TrackedTableReader:
    """`push.sources.ports.TableReader` of one run: it records what it reads."""

    reader: TableReader
    table: TrackedTable
    reads: TrackedReads

    async def get(self, key: Mapping[str, Value]) -> Row | None:
        """See `TableReader.get`."""
        await self.reads.begin(tags_of_row(self.table, key))
        return await self.reader.get(key)

    async def get_many(self, keys: Sequence[Mapping[str, Value]]) -> list[Row | None]:
        """See `TableReader.get_many`."""
        await self.reads.begin([tag for key in keys for tag in tags_of_row(self.table, key)])
        return await self.reader.get_many(keys)

    async def query(
        self,
        partition: Mapping[str, Value],
        *,
        index: str | None = None,
        begins_with: Mapping[str, Value] | None = None,
        between: Mapping[str, tuple[Value, Value]] | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """See `TableReader.query`."""
        tags = tags_of_query(self.table, partition, index=index, begins_with=begins_with, between=between)
        # DynamoDB updates global indexes after the table ("Using Global Secondary Indexes", Developer Guide).
        await self.reads.begin(tags, may_lag=index is not None)
        return await self.reader.query(
            partition, index=index, begins_with=begins_with, between=between, newest_first=newest_first, limit=limit
        )

    async def scan(self) -> list[Row]:
        """See `TableReader.scan`."""
        await self.reads.begin(tags_of_table(self.table))
        return await self.reader.scan()


@dataclass(frozen=True, slots=True)
class TrackedBucketReader:
    """`push.sources.ports.BucketReader` of one run: it records what it reads."""

    reader: BucketReader
    name: str
    """The physical name."""
    reads: TrackedReads

    async def get(self, key: str) -> bytes | None:
        """See `BucketReader.get`."""
        await self.reads.begin(tags_of_object(self.name, key))
        return await self.reader.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `BucketReader.get_many`."""
        await self.reads.begin([tag for key in keys for tag in tags_of_object(self.name, key)])
        return await self.reader.get_many(keys)

    async def list(self, prefix: str = "") -> list[str]:
        """See `BucketReader.list`."""
        await self.reads.begin(tags_of_list(self.name, prefix))
        return await self.reader.list(prefix)
