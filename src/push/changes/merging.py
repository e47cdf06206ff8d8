"""Changes of one batch put together: each tag is raised once, and each function sees its records together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from push.changes.declaring import ChangeFunction
from push.changes.records import ChangeRecord
from push.tags import TagScope


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a source in one scope.

    Args:
        record_id: identifies the record that told it.
        source: the name of the source.
        scope: the scope of the tags.
        tags: the tags to raise.
        function: the function that named them, if it has work to do before they are raised.
        record: the change as this function received it.

    """

    record_id: str
    source: str
    scope: TagScope
    tags: tuple[str, ...]
    function: ChangeFunction | None = None
    record: ChangeRecord | None = None


@dataclass(slots=True)
class Merged:
    """All changes of a source in one scope in one batch."""

    source: str
    scope: TagScope
    tags: dict[str, None] = field(default_factory=dict)
    """In order of first appearance."""
    batches: dict[ChangeFunction, list[ChangeRecord]] = field(default_factory=dict)
    """What each function is to see before the tags are raised."""
    record_ids: dict[str, None] = field(default_factory=dict)


def merge(changes: Iterable[Change]) -> list[Merged]:
    """Put changes together by source and scope, in order of first appearance."""
    merged: dict[tuple[str, TagScope], Merged] = {}
    for change in changes:
        together = merged.setdefault((change.source, change.scope), Merged(change.source, change.scope))
        together.tags.update(dict.fromkeys(change.tags))
        together.record_ids[change.record_id] = None
        if change.function is not None and change.record is not None:
            together.batches.setdefault(change.function, []).append(change.record)
    return list(merged.values())
