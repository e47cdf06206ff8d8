"""Live results at any moment: once all has settled, the newest entry of the history is made from the newest source.

A state machine over the fakes: the source changes before, in the middle of and after computes, what sends the jobs is
repeated, jobs are received in any order and twice, leases run out, and workers die anywhere. `make fuzz` runs it for
longer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from push.cache.freshness import Freshness, judge
from push.cache.jobs import NO_DEADLINE_MS, Job, JobKind, Outgoing, live_waiter
from push.computes import Tenant, compute
from push.keys import make_key
from push.topics.fan_out_jobs import FanOutJob
from push.topics.live_results import parse_entry
from push.topics.topics import live_topic
from tests.builders.results import EchoParams
from tests.operations import CountedMachine
from tests.worlds.functions import World

pytestmark = pytest.mark.slow

TENANT = Tenant("acme")
TAG = "source"
VISIBILITY_MS = 180_000
DEATHS = 2
"""A job of which three workers died is given up."""


class Died(BaseException):
    """The worker is no more: nothing of it runs on."""


class LiveResult(CountedMachine):
    """The value of the one key is the number of the change that its compute last saw."""

    def __init__(self) -> None:
        super().__init__()
        self.source = 0
        self.unannounced: list[int] = []
        """When (ms) what sends the jobs began, for changes whose jobs are not sent yet."""
        self.changes_while_computing = 0
        self.deaths = 0
        self.steps_to_live: int | None = None
        self.queue: list[tuple[int, Job]] = []
        """Jobs, and from when on (ms) they can be received."""
        self.snapshot: int | None = None
        self.nudged = 0
        self.requests = itertools.count(1)

        @compute(
            name="changing",
            ttl=10.0,
            stale_ttl=60.0,
            tags=lambda params: (TAG,),
        )
        async def changing(params: EchoParams) -> int:
            seen = self.source
            while self.changes_while_computing:
                self.changes_while_computing -= 1
                await self.begin_change()
            return seen

        self.world = World(computes=(changing,))
        self.key = make_key(TENANT, changing, EchoParams())
        self.topic = live_topic(self.key)
        for fake in (self.world.leases, self.world.histories, self.world.tags):
            fake._delay = self.step
        self.world.fan_out.send = self.nudge

    async def step(self) -> None:
        if self.steps_to_live is not None:
            self.steps_to_live -= 1
            if self.steps_to_live < 0:
                raise Died

    def nudge(self, _jobs: Sequence[FanOutJob], _delay_seconds: int = 0) -> None:
        self.nudged = self.world.topics.open(self.topic).head

    @property
    def is_subscribed(self) -> bool:
        return self.snapshot is not None

    def live_job(self, newer_than_ms: int, token: str) -> Outgoing:
        return Outgoing(Job(JobKind.LIVE, TENANT, "changing", msgspec.Raw(b"{}"), token, newer_than_ms=newer_than_ms))

    async def begin_change(self) -> None:
        self.source += 1
        self.unannounced.append(self.world.clock())
        steps, self.steps_to_live = self.steps_to_live, None
        await self.world.tags.invalidate(TENANT, [TAG])
        self.steps_to_live = steps

    @rule()
    def change(self) -> None:
        asyncio.run(self.begin_change())

    @rule(times=st.integers(1, 3))
    def change_during_the_next_compute(self, times: int) -> None:
        self.changes_while_computing = times

    @precondition(lambda self: self.unannounced)
    @rule(is_repeated=st.booleans())
    def announce(self, *, is_repeated: bool) -> None:
        """Send the job of the earliest change, if anybody has subscribed."""
        began_ms = self.unannounced[0] if is_repeated else self.unannounced.pop(0)
        if self.is_subscribed:
            self.world.jobs.sent.append(self.live_job(began_ms, self.world.tokens()))

    @rule()
    def subscribe(self) -> None:
        self.world.topics.open(self.topic)
        result = self.world.results.read(self.key)
        if result is not None and judge(result, self.world.clock()) is Freshness.FRESH:
            self.snapshot = max(self.snapshot or 0, json.loads(result.data))
            return
        newer_than_ms, token = (0 if result is None else result.computed_at_ms + 1), self.world.tokens()
        self.world.results.park(self.key, result, live_waiter(newer_than_ms), NO_DEADLINE_MS, token)
        self.snapshot = self.snapshot or 0
        self.world.jobs.sent.append(self.live_job(newer_than_ms, token))

    @rule(max_age=st.sampled_from((None, None, 0)))
    def ask(self, max_age: float | None) -> None:
        self.world.ask(str(next(self.requests)), compute="changing", max_age=max_age)

    def due(self) -> list[tuple[int, Job]]:
        now_ms = self.world.clock()
        self.queue += [(now_ms + 1000 * each.delay_seconds, each.job) for each in self.world.jobs.sent]
        self.world.jobs.sent.clear()
        return [each for each in self.queue if each[0] <= now_ms]

    @precondition(lambda self: self.due())
    @rule(data=st.data(), is_received_twice=st.booleans())
    def receive_a_job(self, data: st.DataObject, *, is_received_twice: bool) -> None:
        due = self.due()
        self.receive(due[data.draw(st.integers(0, len(due) - 1))], is_received_twice=is_received_twice)

    @precondition(lambda self: self.deaths < DEATHS and self.due())
    @rule(data=st.data(), steps=st.integers(0, 25))
    def die_of_a_job(self, data: st.DataObject, steps: int) -> None:
        due = self.due()
        queued = due[data.draw(st.integers(0, len(due) - 1))]
        self.steps_to_live = steps
        try:
            self.receive(queued)
        except Died:
            self.deaths += 1
            self.queue.append((self.world.clock() + VISIBILITY_MS, queued[1]))
        finally:
            self.steps_to_live = None

    def receive(self, queued: tuple[int, Job], *, is_received_twice: bool = False) -> None:
        if not is_received_twice:
            self.queue.remove(queued)
        again = asyncio.run(self.world.consume(queued[1]))
        self.queue += [(self.world.clock() + 1000, job) for job in again]
        self.check_order()

    @rule(milliseconds=st.sampled_from((1, 400, 1001, 4001, 11_000, 61_000)))
    def wait(self, milliseconds: int) -> None:
        self.world.clock.advance(milliseconds)

    def check_order(self) -> None:
        values = [json.loads(bytes(parse_entry(new.data).data)) for _, _, new in self.world.histories.appended]
        assert values == sorted(values), "an older value came after a newer one"

    def teardown(self) -> None:
        """Let everything come to rest, and look."""
        self.changes_while_computing = 0
        while self.unannounced:
            self.announce(is_repeated=False)
        for _ in range(400):
            for queued in self.due():
                self.receive(queued)
            if not self.queue and not self.world.jobs.sent:
                break
            self.world.clock.advance(1000)
        assert not self.queue, "jobs are sent for ever"
        if self.is_subscribed:
            entries = [new for _, _, new in self.world.histories.appended]
            newest = json.loads(bytes(parse_entry(entries[-1].data).data)) if entries else 0
            assert max(newest, self.snapshot or 0) == self.source
            assert self.nudged == self.world.topics.open(self.topic).head


TestLiveResult = LiveResult.TestCase
