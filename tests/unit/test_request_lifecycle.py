"""What becomes of requests whatever happens: a state machine drives the real functions over a model of the outside.

Requests arrive, workers die between any two steps, messages are duplicated and reordered, connections refuse for a
while, Redis and SQS are away, Redis forgets. Checked all the way:

- a key is computed once at a time, and no result is replaced by an older one (I2);
- no frame reaches a connection that did not ask for it, no data another tenant (I5);
- in the end every request has its answer (I1): by itself, unless Redis forgot who waits; then after asking again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from push.callers import Caller
from push.computes import Tenant
from push.protocol.messages import Request
from tests.fakes.simulated_queue import now
from tests.fakes.virtual_time import VirtualTimeLoop
from tests.operations import CountedMachine
from tests.worlds.lifecycle import LATE_SECONDS, Asked, Lifecycle, LifecycleParams

pytestmark = pytest.mark.slow

DRAIN_SECONDS = 20 * 60.0

CATALOGUE = (
    LifecycleParams(0),
    LifecycleParams(1, seconds=0.5),
    LifecycleParams(2, seconds=6.0),
    LifecycleParams(3, seconds=1.0, failures=("throttled",)),
    LifecycleParams(4, seconds=0.1, failures=("throttled", "throttled", "throttled")),
    LifecycleParams(5, failures=("failed",)),
    LifecycleParams(6, seconds=30.0),
)
CONNECTIONS = ("ann=", "ben=", "eva=")
TENANTS = ("acme", "globex")
MAX_AGES = st.sampled_from((None, None, 0, 2))
DEADLINES_MS = st.sampled_from((1500, 10_000, 30_000))
MOMENTS = st.floats(0.0, 0.4)
"""Within such a time a job is received, its key claimed, filled and answered."""


class RequestLifecycle(CountedMachine):
    """Each rule is something that happens at a moment; time passes between them by a rule of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.ids = itertools.count(1)
        self.subject = None

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.run(self._begin(seed))

    async def _begin(self, seed: int) -> None:
        self.lifecycle = Lifecycle(random.Random(seed))

    def do(self, action) -> None:
        async def now_and_here() -> None:
            action()

        self.run(now_and_here())

    def run(self, coroutine) -> None:
        self.loop.run_until_complete(coroutine)
        assert not self.lifecycle.faults, self.lifecycle.faults

    @rule(
        params=st.sampled_from(CATALOGUE),
        tenant=st.sampled_from(TENANTS),
        connections=st.sets(st.sampled_from(CONNECTIONS), min_size=1),
        max_age=MAX_AGES,
        deadline_ms=DEADLINES_MS,
    )
    def ask(self, params, tenant, connections, max_age, deadline_ms) -> None:
        self.subject = params, tenant
        self.do(lambda: self._ask(sorted(connections), max_age, deadline_ms))

    @precondition(lambda self: self.subject is not None)
    @rule(connection=st.sampled_from(CONNECTIONS), max_age=MAX_AGES, deadline_ms=DEADLINES_MS, seconds=MOMENTS)
    def ask_the_same_a_moment_later(self, connection, max_age, deadline_ms, seconds) -> None:
        self.run(asyncio.sleep(seconds))
        self.do(lambda: self._ask([connection], max_age, deadline_ms))

    def _ask(self, connections, max_age, deadline_ms) -> None:
        params, tenant = self.subject
        for name in connections:
            connection_id = f"{tenant}-{name}"
            raw = msgspec.Raw(msgspec.json.encode(params))
            request = Request(str(next(self.ids)), "lifecycle", raw, max_age, deadline_ms)
            asked = Asked(request, Caller(Tenant(tenant), "somebody", connection_id), now())
            self.lifecycle.asked[connection_id, request.id] = asked
            self.lifecycle.ask(asked)

    @rule(seconds=MOMENTS | st.sampled_from((1.5, 4.5, 7.0, 20.0)))
    def wait(self, seconds) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(seconds=MOMENTS)
    def kill_everybody_a_moment_later(self, seconds) -> None:
        self.run(asyncio.sleep(seconds))
        self.do(lambda: self.lifecycle.kill(list(self.lifecycle.workers)))

    @rule(are_killed=st.lists(st.booleans(), min_size=1, max_size=8))
    def kill_workers(self, are_killed) -> None:
        def kill() -> None:
            workers = list(self.lifecycle.workers)
            self.lifecycle.kill([worker for worker, is_killed in zip(workers, are_killed, strict=False) if is_killed])

        self.do(kill)

    @precondition(lambda self: not self.lifecycle.jobs.is_down)
    @rule()
    def duplicate_a_message(self) -> None:
        self.do(self.lifecycle.jobs.duplicate)

    @rule(name=st.sampled_from(CONNECTIONS), tenant=st.sampled_from(TENANTS), seconds=st.sampled_from((1.0, 30.0)))
    def refuse_pushes(self, name, tenant, seconds) -> None:
        self.do(lambda: self.lifecycle.refuse(f"{tenant}-{name}", seconds))

    @rule()
    def flush_redis(self) -> None:
        self.do(self.lifecycle.flush)

    @rule()
    def lose_or_find_redis(self) -> None:
        self.do(lambda: self.lifecycle.lose_redis(is_lost=not self.lifecycle.model.is_down))

    @rule()
    def lose_or_find_queues(self) -> None:
        self.do(lambda: self.lifecycle.lose_queues(are_lost=not self.lifecycle.jobs.is_down))

    def teardown(self) -> None:
        with contextlib.closing(self.loop), contextlib.ExitStack() as cleanup:
            if hasattr(self, "lifecycle"):
                cleanup.callback(lambda: self.loop.run_until_complete(self.lifecycle.stop()))
                self.run(self._end())

    async def _end(self) -> None:
        lifecycle = self.lifecycle
        if lifecycle.model.is_down:
            lifecycle.lose_redis(is_lost=False)
        if lifecycle.jobs.is_down:
            lifecycle.lose_queues(are_lost=False)
        await asyncio.sleep(DRAIN_SECONDS)
        lost = [each for each in lifecycle.unanswered if not each.may_be_forgotten]
        assert not lost, lost
        for each in lifecycle.unanswered:
            each.grace_seconds, each.asked_at = LATE_SECONDS, now()
            lifecycle.ask(each)
        await asyncio.sleep(DRAIN_SECONDS)
        assert not lifecycle.unanswered, lifecycle.unanswered
        assert lifecycle.jobs.messages == lifecycle.deliveries.messages == lifecycle.dead_letters.messages == {}
        assert [entry for entry in lifecycle.model.entries.values() if entry.waiters] == []


TestRequestLifecycle = RequestLifecycle.TestCase
TestRequestLifecycle.settings = settings(
    max_examples=2 * settings.default.max_examples,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
