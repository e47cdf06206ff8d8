"""The environments of one function, and the dispatch of events to them.

As in Lambda, an idle environment takes an event, or a new environment starts, up to the function's limit. Two rules
differ. Events may queue at a busy environment while each of them is short: if one takes longer than `PATIENCE_SECONDS`,
the pool takes back the events behind it and runs them elsewhere. And while no core is idle, waiting events keep
waiting, because a new process would slow the running ones and start late.
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
"""The wait of an event before the pool starts a process; most slow events end before one could start."""

STANDSTILL_SECONDS = 0.5
"""The time without progress after which the pool starts a process even without an idle core."""

IDLE_SECONDS = 30.0
"""The idle time after which the pool closes an environment beyond the warm ones."""

_STARTS_AT_ONCE = max(2, os.cpu_count() or 1)
"""The most processes that start at once; more than there are cores would all be ready later."""

_THROTTLED = Invocation(
    Outcome.THROTTLED, json.dumps({"errorMessage": "Rate Exceeded.", "errorType": "TooManyRequestsException"}).encode()
)


class EnvironmentStarter(Protocol):
    """Starts the processes of functions."""

    async def __call__(self, environment: Environment, function: Function) -> None:
        """Start the environment's process; the environment notifies its owner when the handler is loaded."""


class FunctionPool(EnvironmentOwner):
    """Runs the events of one function.

    `limit` is this machine's limit of environments; events beyond it wait. The function's reserved concurrency is
    Lambda's limit; events beyond it are throttled.
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
        self._spare: Environment | None = None
        self._starting_spare: asyncio.Task[None] | None = None
        self._outdated: set[Environment] = set()
        """Starting environments that may have loaded older code."""
        self._waiting: deque[PendingEvent] = deque()
        self._waiting_since_ns = 0
        self._taken_at_ns = 0
        self._cores = cores
        self._closing = False

    @property
    def is_off(self) -> bool:
        """True if the reserved concurrency is zero, so that no event ever runs."""
        return self._limit == 0

    @property
    def has_warm(self) -> bool:
        """True if environments start before the first event."""
        return self._warm > 0

    @property
    def environments(self) -> list[Environment]:
        """The environments with a running process."""
        return [*self._ready, *self._starting, *self._ending, *([self._spare] if self._spare else ())]

    @property
    def in_flight(self) -> int:
        """The number of unanswered events."""
        return len(self._waiting) + sum(len(each.outstanding) for each in (*self._ready, *self._ending))

    # Events

    def invoke(self, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """Run or throttle an event; call `on_end` on the event loop later."""
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
        """Keep an event until an environment is free or `check` starts one more."""
        self._note_wait()
        self._waiting.append(event)
        if not self._ready:
            self._grow()

    def _note_wait(self) -> None:
        """Note the time if this is the first waiting event."""
        if not self._waiting:
            self._waiting_since_ns = self._taken_at_ns = time.monotonic_ns()

    def _feed(self, environment: Environment) -> None:
        """Send a free environment its share of the waiting events."""
        self._taken_at_ns = time.monotonic_ns()
        share = -(-len(self._waiting) // max(1, len(self._ready)))
        for _ in range(share):
            environment.send(self._waiting.popleft())

    # Environments

    def warm_up(self) -> None:
        """Start the warm environments."""
        while len(self._ready) + len(self._starting) < self._warm:
            self._start_one()

    def _grow(self) -> None:
        """Start the environments that the waiting events need."""
        wanted = min(len(self._waiting), _STARTS_AT_ONCE)
        while len(self._starting) < wanted and len(self._ready) + len(self._starting) < self._limit:
            self._start_one()

    def _start_one(self) -> Environment:
        environment = Environment(self, self.function)
        start = self._start(environment, self.function)
        self._starting[environment] = asyncio.get_running_loop().create_task(start)
        return environment

    def keep_spare(self) -> None:
        """Start an environment that has imported everything but the application's code, for the next `replace`.

        A pool without warm environments keeps none: everything starts at its first event.
        """
        if self._spare is None and self.has_warm and not self._closing:
            self._spare = Environment(self, self.function, is_spare=True)
            self._starting_spare = asyncio.get_running_loop().create_task(self._start(self._spare, self.function))

    async def _release_spare(self) -> Environment | None:
        """Let the spare environment load its handler; None if there is no spare."""
        if self._starting_spare is not None:
            await self._starting_spare
        spare, starting = self._spare, self._starting_spare
        self._spare = self._starting_spare = None
        if spare is None or starting is None:
            return None
        self._starting[spare] = starting
        spare.release()
        return spare

    async def replace(self) -> bytes | None:
        """Replace the environments by ones that load the function's code again; connections and events stay.

        The older environments run events until a newer one is ready, and then answer those that they have. If the code
        cannot be loaded, they go on, and Lambda's error document is returned. `warm_up` starts the others.
        """
        if self.is_off or not (self._warm or self.environments):
            return None
        older = list(self._ready)
        self._outdated.update(self._starting)
        first = await self._release_spare() or self._start_one()
        await first.settled.wait()
        if first.init_error is not None:
            return first.init_error
        for environment in older:
            self._retire(environment)
        return None

    def _retire(self, environment: Environment) -> None:
        """Send an environment no more events, and close it as soon as it has answered its own."""
        if environment in self._ready:
            self._ready.remove(environment)
            self._ending.add(environment)
            if not environment.outstanding:
                environment.close()

    def environment_ready(self, environment: Environment) -> None:
        """Add a ready environment to the dispatch."""
        del self._starting[environment]
        self._ready.append(environment)
        self.init_error = None
        if not self.first_ready.done():
            self.first_ready.set_result(None)
        self.environment_idle(environment)
        if environment in self._outdated:
            self._outdated.discard(environment)
            self._retire(environment)

    def environment_idle(self, environment: Environment) -> None:
        """Send an idle environment the waiting events, or close it if it is retired."""
        if environment in self._ending:
            environment.close()
        elif self._waiting and environment.is_ready:
            self._feed(environment)

    def environment_gave_back(self, environment: Environment, events: list[PendingEvent]) -> None:  # noqa: ARG002
        """Run returned events elsewhere, before later events."""
        self._take_back(events)

    def environment_lost(self, environment: Environment) -> None:
        """Remove a lost environment from the dispatch."""
        if environment is self._spare:
            self._spare = self._starting_spare = None
        self._starting.pop(environment, None)
        self._outdated.discard(environment)
        if environment in self._ready:
            self._ready.remove(environment)
        self._ending.add(environment)

    def environment_ended(self, environment: Environment, unstarted: list[PendingEvent]) -> None:
        """Replace an ended environment, unless the pool closes or the handler cannot be loaded."""
        self._ending.discard(environment)
        if self._closing or environment.is_spare:
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
        """Answer the waiting events with the error; the next event starts a new environment, as in Lambda."""
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
        """Find events that take long, and start environments for events that have waited long enough."""
        for environment in (*self._ready, *self._ending):
            if environment.outstanding:
                environment.check(now_ns, int(PATIENCE_SECONDS * 1e9))
        if self._waiting and now_ns - self._waiting_since_ns > GROWTH_SECONDS * 1e9:
            stands_still = now_ns - self._taken_at_ns > STANDSTILL_SECONDS * 1e9
            if self._cores.are_there or stands_still:
                self._grow()

    def reap(self) -> None:
        """Close environments that have been idle for a while, except for one."""
        now = time.monotonic()
        for environment in self._ready[max(1, self._warm) :]:
            if not environment.outstanding and now - environment.idle_since > IDLE_SECONDS:
                self._ready.remove(environment)
                self._ending.add(environment)
                environment.close()

    async def close(self) -> None:
        """Kill every environment."""
        self._closing = True
        if self._starting_spare is not None:
            await self._starting_spare
        await asyncio.gather(*self._starting.values())
        environments = self.environments
        for environment in environments:
            environment.kill()
        await asyncio.gather(*(environment.ended.wait() for environment in environments))
