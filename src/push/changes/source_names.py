"""The names of sources: what pushaside.toml calls the table, bucket, stream or topic of a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from push.changes.own_sources import BUILT_IN
from push.sources.declared import DeclaredSources
from push.sources.table_tags import TrackedTable


class SourceNames:
    """The names of sources by their physical names. A table or bucket may have several.

    Args:
        declared: the sources of the application.
        built_in: Pushaside's own.

    """

    __slots__ = ("_built_in", "_declared", "buckets", "formats", "notifications", "streams", "tables")

    def __init__(self, declared: DeclaredSources, built_in: DeclaredSources | None = None) -> None:
        own = built_in or DeclaredSources()
        self._declared = declared
        self._built_in = own
        self.tables = _invert((name, each.name) for name, each in (*declared.tables.items(), *own.tables.items()))
        self.buckets = _invert((name, each.name) for name, each in (*declared.buckets.items(), *own.buckets.items()))
        self.streams = _invert((name, each.name) for name, each in declared.streams.items())
        self.notifications = _invert((name, each.arn) for name, each in declared.notifications.items())
        self.formats: dict[str, str] = {each.name: each.format for each in declared.streams.values()}

    @property
    def all(self) -> frozenset[str]:
        """The names of all sources."""
        kinds = ("tables", "buckets", "streams", "events", "notifications")
        return frozenset(
            name for each in (self._declared, self._built_in) for kind in kinds for name in getattr(each, kind)
        )

    @property
    def events(self) -> frozenset[str]:
        """The names of the declared events."""
        return frozenset(self._declared.events)

    def tracked_table(self, table: str) -> TrackedTable | None:
        """Return a table as its tags need it; None if only Pushaside itself has it, whose reads are not tracked."""
        indexes: dict[str, tuple[str, ...]] = {}
        for each in self._declared.tables.values():
            if each.name == table:
                indexes.update(each.indexes)
        is_own = all(name.startswith(BUILT_IN) for name in self.tables.get(table, ("",)))
        return None if is_own else TrackedTable(table, indexes)

    def is_tracked_bucket(self, bucket: str) -> bool:
        """Return whether reads of a bucket may be tracked: it is not Pushaside's own alone."""
        return not all(name.startswith(BUILT_IN) for name in self.buckets.get(bucket, ("",)))


def _invert(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    for name, place in pairs:
        names[place] = (*names.get(place, ()), name)
    return names
