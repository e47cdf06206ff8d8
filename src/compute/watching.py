"""The tags of one run, watched for changes from before the reads of their sources until the fill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from push.cache.ports import TagIndex, TagVersion
from push.computes import Tenant
from push.errors import CacheUnavailableError

SETTLE_MS = 3000
"""How long after a change was told an index of a table may still be read without it.

DynamoDB promises no time: a global index follows "within a fraction of a second, under normal conditions" ("Using
Global Secondary Indexes in DynamoDB", Developer Guide).
"""

_MARGIN_MS = 50
"""Counts a change as within the run if it may have been: two clocks measure, and both round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedTags:
    """`push.sources.tracking.TagWatch` of one run.

    A tag that the run names without beginning to watch it has no version to compare. It counts as changed if its last
    change is younger than the run.

    Args:
        index: tells the versions.
        tenant: the tenant of the key; None if it is shared.
        began_ms: when the run began.
        now_ms: the clock, in milliseconds since 1970.

    """

    index: TagIndex
    tenant: Tenant | None
    began_ms: int
    now_ms: Callable[[], int]
    _reading: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _versions: dict[str, TagVersion | None] = field(default_factory=dict)
    """None for a tag whose version Redis did not tell."""
    _lagging: dict[str, int] = field(default_factory=dict)
    """When the first read that may lag began, by its tags."""

    async def begin(self, tags: Iterable[str], *, may_lag: bool = False) -> None:
        """See `TagWatch.begin`."""
        tags = tuple(tags)
        if new := tuple(tag for tag in tags if tag not in self._reading):
            await self._read(new)
        # Another read of this run may have begun to watch a tag, and still wait for its version.
        for tag in tags:
            if not (reading := self._reading[tag]).done():
                await asyncio.shield(reading)
        if may_lag:
            now_ms = self.now_ms()
            for tag in tags:
                self._lagging.setdefault(tag, now_ms)

    async def _read(self, tags: tuple[str, ...]) -> None:
        reading = asyncio.get_running_loop().create_future()
        self._reading.update(dict.fromkeys(tags, reading))
        try:
            self._versions.update(zip(tags, await self.index.read_versions(self.tenant, tags), strict=True))
        except CacheUnavailableError:
            self._versions.update(dict.fromkeys(tags))
        finally:
            reading.set_result(None)

    def are_unchanged(self, now: Mapping[str, TagVersion]) -> bool:
        """Return whether no source of a result changed during the run, given the versions of its tags at its end."""
        return all(self._is_unchanged(tag, version) for tag, version in now.items())

    def _is_unchanged(self, tag: str, now: TagVersion) -> bool:
        if tag in self._versions:
            return self._versions[tag] == now
        return not now.is_younger_than(self.now_ms() - self.began_ms + _MARGIN_MS)

    def settles_at_ms(self, now: Mapping[str, TagVersion]) -> int:
        """Return until when what the run read may lag behind changes that were told before; 0 if it does not."""
        now_ms = self.now_ms()
        settled = (
            (now_ms - now[tag].age_ms + SETTLE_MS, read_at_ms)
            for tag, read_at_ms in self._lagging.items()
            if tag in now
        )
        return max((at_ms for at_ms, read_at_ms in settled if at_ms > read_at_ms), default=0)
