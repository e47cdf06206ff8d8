"""The table of subscriptions in dicts, with the rows that lead from tags to live results, for all who use it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

from msgspec.structs import replace

from push.computes import Tenant
from push.keys import Key
from push.tags import ALL_SCOPES, TagScope, scope_of
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import Topic, shard_of
from tests.fakes.clock import Clock
from tests.fakes.invocations import stop_here
from tests.worlds.topics import FakeSubscriptions


class LiveRows(FakeSubscriptions):
    """`Subscriptions`, `Subscribers` and `LiveResults`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__([])
        self._clock = clock
        self._writes = itertools.count(1)
        self._by_tag: dict[tuple[Tenant | None, str], dict[Key, LiveResult]] = {}

    def add_live(self, tags: Collection[str], live: LiveResult) -> None:
        for tag in tags:
            rows = self._by_tag.setdefault((scope_of(tag, live.key.tenant), tag), {})
            rows[live.key] = replace(live, written=str(next(self._writes)))

    async def live_of(self, scope: TagScope, tags: Collection[str]) -> Sequence[LiveResult]:
        await stop_here()
        found = {live.key: live for tag in tags for live in self._of(scope, tag)}
        await stop_here()
        return list(found.values())

    def _of(self, scope: TagScope, tag: str) -> Iterator[LiveResult]:
        for (of_scope, of_tag), rows in self._by_tag.items():
            if of_tag == tag and (scope is ALL_SCOPES or scope_of(tag, scope) == of_scope):
                yield from (live for live in rows.values() if live.expires_at > self._clock() // 1000)

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        await stop_here()
        for tag in tags:
            rows = self._by_tag.get((scope_of(tag, live.key.tenant), tag), {})
            if live.key in rows and rows[live.key].written == live.written:
                del rows[live.key]
        await stop_here()

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        found = [each for each in self.rows.values() if each.topic == topic and shard_of(each.connection_id) == shard]
        return found, None


class Links:
    """`LiveLinks` into the rows."""

    def __init__(self, rows: LiveRows) -> None:
        self._rows = rows

    async def add(self, tags: Collection[str], live: LiveResult) -> None:
        await stop_here()
        self._rows.add_live(tags, live)
        await stop_here()
