"""The environments of one function, and which of them runs an event.

As in Lambda, an event waits for no other event: an idle environment takes it, or a new one is started, up to the
function's limit. Unlike there, events may share a busy environment's backlog while each of them is short: an event that
takes longer than `PATIENCE_SECONDS` has those behind it taken back and run elsewhere. And where no core is idle, events
that wait wait on: a new process would take time from those that run, and start late.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from local.deploying.control_plane import Function
from local.functions.environment import Environment, EnvironmentOwner, PendingEvent
from local.functions.idle_cores import IdleCores
from local.functions.invocation import Invocation, Outcome

PATIENCE_SECONDS = 0.005
GROWTH_SECONDS = 0.02
"""How long an event waits before a process is started for it: most slow events end sooner than one could start."""

STANDSTILL_SECONDS = 0.5
"""A process is started even where no core is idle if no event that waits has been taken for so long."""

IDLE_SECONDS = 30.0
"""How long an environment beyond the warm ones stays without work."""

_STARTS_AT_ONCE = max(2, os.cpu_count() or 1)
"""More processes importing at once than there are cores would all be ready later."""

_THROTTLED = Invocation(
    Outcome.THROTTLED, json.dumps({"errorMessage": "Rate Exceeded.", "errorType": "TooManyRequestsException"}).encode()
)


class EnvironmentStarter(Protocol):
    """Knows what a function's process needs to run."""

    async def __call__(self, environment: Environment, function: Function) -> None:
        """Start the environment's process; it tells its owner itself when the handler is loaded."""


class FunctionPool(EnvironmentOwner):
    """Runs the events of one function.

    `limit` is this machine's limit on the function's environments: events beyond it wait. The function's own reserved
    concurrency is Lambda's limit: events beyond it are throttled.
    """

    def __init__(
        self, function: Function, start: EnvironmentStarter, *, warm: int, limit: int, cores: IdleCores
    ) -> None:
        reserved = function.reserved_concurrency
        self.function = function
        self.invocations = 0
        self.init_error: bytes | None = None
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._start = start
        self._reserved = reserved
        self._limit = limit if reserved is None else min(limit, reserved)
        self._warm = min(warm, self._limit)
        self._ready: list[Environment] = []
        self._starting: dict[Environment, asyncio.Task[None]] = {}
        self._ending: set[Environment] = set()
        self._waiting: deque[PendingEvent] = deque()
        self._waiting_since_ns = 0
        self._taken_at_ns = 0
        self._cores = cores
        self._closing = False

    @property
    def is_off(self) -> bool:
        """Its reserved concurrency is zero: nothing is ever run."""
        return self._limit == 0

    @property
    def environments(self) -> list[Environment]:
        """Those whose process is running."""
        return [*self._ready, *self._starting, *self._ending]

    @property
    def in_flight(self) -> int:
        """Events that have not been answered."""
        return len(self._waiting) + sum(len(each.outstanding) for each in (*self._ready, *self._ending))

    # Events

    def invoke(self, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """Run an event, or have it throttled; `on_end` is called on the event loop later."""
        if self._reserved is not None and self.in_flight >= self._reserved:
            asyncio.get_running_loop().call_soon(on_end, _THROTTLED)
            return
        self.invocations += 1
        self._dispatch((event, on_end))

    def _dispatch(self, event: PendingEvent) -> None:
        chosen = None
        shortest = 1 << 30
        for environment in self._ready:
            backlog = len(environment.outstanding)
            if not backlog:
                chosen = environment
                break
            if backlog < shortest and not environment.is_stuck:
                chosen, shortest = environment, backlog
        if chosen is None:
            self._wait(event)
        else:
            chosen.send(event)

    def _wait(self, event: PendingEvent) -> None:
        """Keep an event until an environment is free, or `check` has found that one more is needed."""
        self._note_wait()
        self._waiting.append(event)
        if not self._ready:
            self._grow()

    def _note_wait(self) -> None:
        """Note that events begin to wait, if none did."""
        if not self._waiting:
            self._waiting_since_ns = self._taken_at_ns = time.monotonic_ns()

    def _feed(self, environment: Environment) -> None:
        """Give a free environment its share of what waits."""
        self._taken_at_ns = time.monotonic_ns()
        share = -(-len(self._waiting) // max(1, len(self._ready)))
        for _ in range(share):
            environment.send(self._waiting.popleft())

    # Environments

    def warm_up(self) -> None:
        """Start the environments that are kept."""
        while len(self._ready) + len(self._starting) < self._warm:
            self._start_one()

    def _grow(self) -> None:
        """Start what is needed for the events that wait."""
        wanted = min(len(self._waiting), _STARTS_AT_ONCE)
        while len(self._starting) < wanted and len(self._ready) + len(self._starting) < self._limit:
            self._start_one()

    def _start_one(self) -> None:
        environment = Environment(self, self.function)
        start = self._start(environment, self.function)
        self._starting[environment] = asyncio.get_running_loop().create_task(start)

    def environment_ready(self, environment: Environment) -> None:
        """Take it into use."""
        del self._starting[environment]
        self._ready.append(environment)
        self.init_error = None
        if not self.first_ready.done():
            self.first_ready.set_result(None)
        self.environment_idle(environment)

    def environment_idle(self, environment: Environment) -> None:
        """Give it what waits."""
        if self._waiting and environment.is_ready:
            self._feed(environment)

    def environment_gave_back(self, environment: Environment, events: list[PendingEvent]) -> None:  # noqa: ARG002
        """Run the events elsewhere, before those that came later."""
        self._take_back(events)

    def environment_lost(self, environment: Environment) -> None:
        """Take it out of use."""
        self._starting.pop(environment, None)
        if environment in self._ready:
            self._ready.remove(environment)
        self._ending.add(environment)

    def environment_ended(self, environment: Environment, unstarted: list[PendingEvent]) -> None:
        """Replace it, unless it is no longer wanted or its handler can't be loaded."""
        self._ending.discard(environment)
        if self._closing:
            return
        if environment.init_error is not None:
            self._note_init_error(environment.init_error)
        else:
            self._take_back(unstarted)
            self.warm_up()

    def _take_back(self, events: list[PendingEvent]) -> None:
        self._note_wait()
        self._waiting.extendleft(reversed(events))
        for _ in range(len(self._waiting)):
            self._dispatch(self._waiting.popleft())

    def _note_init_error(self, document: bytes) -> None:
        """Answer what waits with the error: the next event tries again, as in Lambda."""
        self.init_error = document
        if not self.first_ready.done():
            self.first_ready.set_result(None)
        if not self._ready and not self._starting:
            self._fail_waiting(Invocation(Outcome.RAISED, document))

    def _fail_waiting(self, invocation: Invocation) -> None:
        while self._waiting:
            self._waiting.popleft()[1](invocation)

    # Time

    def check(self, now_ns: int) -> None:
        """Look for events that take long, and for some that have waited long enough for one more environment."""
        for environment in (*self._ready, *self._ending):
            if environment.outstanding:
                environment.check(now_ns, int(PATIENCE_SECONDS * 1e9))
        if self._waiting and now_ns - self._waiting_since_ns > GROWTH_SECONDS * 1e9:
            stands_still = now_ns - self._taken_at_ns > STANDSTILL_SECONDS * 1e9
            if self._cores.are_there or stands_still:
                self._grow()

    def reap(self) -> None:
        """Close environments that have not been needed for a while."""
        now = time.monotonic()
        for environment in self._ready[self._warm :]:
            if not environment.outstanding and now - environment.idle_since > IDLE_SECONDS:
                self._ready.remove(environment)
                self._ending.add(environment)
                environment.close()

    async def close(self) -> None:
        """End every environment at once."""
        self._closing = True
        await asyncio.gather(*self._starting.values())
        environments = self.environments
        for environment in environments:
            environment.kill()
        await asyncio.gather(*(environment.ended.wait() for environment in environments))
