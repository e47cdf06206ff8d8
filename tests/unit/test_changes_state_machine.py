"""Changes of a source at any moment: no answer that claims to be fresh is older than what has been announced.

A state machine over the fakes: several environments ask, jobs are received in any order and twice, leases run out,
Redis forgets, and the source changes before, in the middle of and after computes. `make fuzz` runs it for longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from push.computes import Tenant, compute
from tests.builders.results import EchoParams
from tests.operations import CountedMachine
from tests.worlds.functions import World

TENANT = Tenant("acme")
ENVIRONMENTS = 3
TAG = "source"


class ChangingSource(CountedMachine):
    """The value of the one key is the number of the change that its compute last saw."""

    def __init__(self) -> None:
        super().__init__()
        self.source = 0
        self.announced = [(0, 0)]
        """For every change that has been announced to the end: when (ms), and its number."""
        self.changes_while_computing = 0
        self.asked: dict[str, int] = {}
        """What had been announced when a request was asked."""
        self.checked = 0

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
                await self.change()
            return seen

        self.world = World(computes=(changing,))
        self.environments = [self.world.new_client_requests() for _ in range(ENVIRONMENTS)]

    def run(self, coroutine: Coroutine[Any, Any, object]) -> None:
        asyncio.run(coroutine)
        self.check_pushes()

    async def change(self) -> None:
        self.source += 1
        number = self.source
        await self.world.tags.invalidate(TENANT, [TAG])
        self.announced.append((self.world.clock(), number))

    def announced_by(self, now_ms: int) -> int:
        return max(number for announced_at_ms, number in self.announced if announced_at_ms <= now_ms)

    @rule(environment=st.integers(0, ENVIRONMENTS - 1), max_age=st.sampled_from((None, None, 0)))
    def ask(self, environment: int, max_age: float | None) -> None:
        request_id = str(len(self.asked))
        now_ms = self.world.clock()
        self.asked[request_id] = self.announced_by(now_ms)
        asked = self.environments[environment]
        frame = self.world.ask(request_id, compute="changing", max_age=max_age, client_requests=asked)
        if frame["type"] == "result" and frame["cache"] == "hit":
            # Memory is trusted for a while, and no longer.
            assert frame["data"] >= self.announced_by(now_ms - self.world.trust_ms)

    @rule()
    def change_now(self) -> None:
        self.run(self.change())

    @rule(times=st.integers(1, 2))
    def change_during_the_next_compute(self, times: int) -> None:
        self.changes_while_computing = times

    @precondition(lambda self: self.world.jobs.sent)
    @rule(data=st.data(), is_received_twice=st.booleans())
    def receive_a_job(self, data: st.DataObject, *, is_received_twice: bool) -> None:
        index = data.draw(st.integers(0, len(self.world.jobs.sent) - 1))
        outgoing = self.world.jobs.sent[index]
        if not is_received_twice:
            del self.world.jobs.sent[index]
        self.run(self.world.consume(outgoing.job))

    @rule(milliseconds=st.sampled_from((1, 400, 1001, 4001, 11_000, 61_000)))
    def wait(self, milliseconds: int) -> None:
        self.world.clock.advance(milliseconds)

    @rule(hours=st.integers(1, 2))
    def jump(self, hours: int) -> None:
        self.world.clock.advance(hours * 3_600_000)

    @rule()
    def flush(self) -> None:
        self.world.model.flush()

    def check_pushes(self) -> None:
        frames = self.world.connections.frames
        for frame in self.world.pushed()[self.checked :]:
            if frame["type"] == "result" and frame["cache"] == "miss":
                assert frame["data"] >= self.asked[frame["id"]], (frame, self.announced)
        self.checked = len(frames)


TestChangingSource = ChangingSource.TestCase
