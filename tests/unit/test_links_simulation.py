"""Links of late tags at any moment: once all has settled, a change of what a subscriber's result is made from finds it.

The real `LateTags` and `LiveChanges` over stand-ins. Chance decides in which order the steps of a worker, of workers
that lost their lease, of changes and of a subscriber who comes and goes follow each other.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from compute.computing import Task
from compute.late_tags import LateTags
from notify.live_changes import LiveChanges
from push.cache.jobs import Job, JobKind, Outgoing
from push.cache.ports import Claimed
from push.computes import Tenant
from push.results import Result
from push.tags import TagScope
from push.topics.subscriptions import LINKED_SECONDS, LiveResult, Subscription, linked_until
from push.topics.topics import Topic
from tests.builders.results import echo, make_result, unique_key
from tests.fakes.cache import CacheModel, FakeLeases
from tests.fakes.clock import Clock, Tokens
from tests.fakes.live_results import FakeLinkMarks
from tests.unit.notify.test_live_changes import FakeRecentChanges
from tests.worlds.functions import World

pytestmark = pytest.mark.slow

ACME, PARAMS = Tenant("acme"), msgspec.Raw(b"{}")
TAG_SETS = (("a", "b"), ("b", "c"), ("a", "b"))
EVENTS = 14
MOST_TURNS, MOST_TURNS_STALLED = 6, 60
FOREVER_MS = 10**9


class Subscriptions:
    """The table: the links of the one key, and whether the key has a subscriber."""

    def __init__(self, step: Callable[[], Awaitable[None]]) -> None:
        self.rows: dict[str, LiveResult] = {}
        self.is_watched = False
        self._step = step
        self._written = itertools.count()

    async def add(self, tags: Collection[str], live: LiveResult) -> None:
        for tag in sorted(tags):
            await self._step()
            self.rows[tag] = replace(live, written=str(next(self._written)))

    async def live_of(self, _scope: TagScope, tags: Collection[str]) -> Sequence[LiveResult]:
        await self._step()
        return [self.rows[tag] for tag in tags if tag in self.rows]

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        for tag in tags:
            await self._step()
            if tag in self.rows and self.rows[tag].written == live.written:
                del self.rows[tag]

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        await self._step()
        return ([Subscription(topic, "ann=", "ann", FOREVER_MS)] if shard == 2 and self.is_watched else []), None


class Simulation:
    """One key whose results have other tags now and then."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.clock, self.key = Clock(), unique_key()
        self.model = CacheModel(self.clock)
        self.table = Subscriptions(self.step)
        marks = FakeLinkMarks(self.model, self.step)
        self.late_tags = LateTags(
            computing=World().computing,
            leases=FakeLeases(self.model, self.step),
            links=self.table,
            marks=marks,
            now_ms=self.clock,
        )
        self.changes = LiveChanges(
            live=self.table,
            subscribers=self.table,
            marks=marks,
            recent=FakeRecentChanges(self.clock),
            jobs=self,
            debounce_ms=0,
            now_ms=self.clock,
            new_token=Tokens(),
            random=lambda: 0.0,
        )
        self.newest = make_result()
        self.jobs = 0
        self.is_computing = False
        self.has_ended = False
        self.enlisted: set[str] = set()
        self.background: list[asyncio.Task[Any]] = []

    async def step(self) -> None:
        turns = MOST_TURNS if self.chance.random() < 0.9 else MOST_TURNS_STALLED
        for _ in range(self.chance.randrange(turns)):
            await asyncio.sleep(0)

    def send(self, jobs: Sequence[Outgoing]) -> None:
        """Send jobs of changes."""
        self.jobs += len(jobs)

    @property
    def stored(self) -> Result | None:
        return self.model.entry(self.key).result

    async def run(self) -> None:
        working = asyncio.create_task(self.work())
        for _ in range(EVENTS):
            await self.step()
            self.begin_event()
        while self.jobs or self.is_computing or not all(each.done() for each in self.background):
            await self.step()
        self.has_ended = True
        await asyncio.gather(working, *self.background)

    def begin_event(self) -> None:
        event = self.chance.randrange(16)
        if event == 0:
            self.clock.advance(LINKED_SECONDS * 1000)
        elif event < 4:
            self.model.entry(self.key).result = None  # it has expired
        elif event < 7:
            self.table.is_watched = False
        elif event < 10:
            self.background.append(asyncio.create_task(self.subscribe()))
        else:
            self.background.append(asyncio.create_task(self.change(self.chance.choice("abc"))))

    async def subscribe(self) -> None:
        """Take the steps of a subscription, as `request.subscribing` and `LiveValues` do."""
        self.table.is_watched = True
        await self.step()
        noted, result = frozenset[str](), self.stored
        while result is not None and (late := frozenset(result.tags) - noted):
            await self.table.add(late, LiveResult(self.key, ACME, PARAMS, linked_until(self.clock())))
            noted |= late
            await self.step()
            result = self.stored
        if result is None or result.is_invalidated:
            self.jobs += 1

    async def change(self, tag: str) -> None:
        await self.step()
        entry = self.model.entry(self.key)
        if tag in self.enlisted:
            entry.generation += 1
        if entry.result is not None and tag in entry.result.tags:
            entry.result = replace(entry.result, is_invalidated=True)
        await self.changes.announce(ACME, [tag], self.clock())

    async def work(self) -> None:
        """Compute the key for each job; jobs that come meanwhile share one run."""
        while not self.has_ended:
            await asyncio.sleep(0)
            if self.jobs > 0:
                self.jobs = 0
                self.is_computing = True
                await self.compute()
                self.is_computing = False

    async def compute(self) -> None:
        while True:
            entry, tags = self.model.entry(self.key), self.chance.choice(TAG_SETS)
            generation = str(entry.generation)
            self.enlisted.update(tags)
            await self.step()
            if str(entry.generation) != generation:
                continue
            self.newest = make_result(tags=tags)
            entry.result, entry.kept_until_ms = self.newest, self.clock() + FOREVER_MS
            linking = asyncio.create_task(self.link(generation, self.newest))
            if self.chance.random() < 0.2:
                self.background.append(linking)  # it goes on without its lease, and another worker gets the job
            elif await linking:
                return

    async def link(self, generation: str, result: Result) -> bool:
        task = Task(Job(JobKind.LIVE, ACME, "echo", PARAMS, "queued"), echo, self.key, 1)
        return await self.late_tags.link(task, Claimed("working", generation, None, 0, 0), result)


async def _here(function: Callable[..., object], *args: object) -> object:
    """Take the place of `asyncio.to_thread`, so that chance alone decides the order."""
    return function(*args)


@given(seed=st.integers(0, 2**32))
def test_every_change_finds_who_subscribes(seed: int) -> None:
    simulation = Simulation(random.Random(seed))
    with mock.patch.object(asyncio, "to_thread", _here):
        asyncio.run(simulation.run())
    if simulation.table.is_watched:
        # Fan-out has told the newest result, whether it is stored still or has expired.
        assert simulation.table.rows.keys() >= set(simulation.newest.tags)
        assert simulation.stored is None or not simulation.stored.is_invalidated
