"""One process of the load generator, which opens its share of the connections and sends its share of the load."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

from pushaside.errors import CannotConnectError
from pushaside_tools.load.asking import Asking
from pushaside_tools.load.broadcast import Broadcast
from pushaside_tools.load.feed_ledger import Heads
from pushaside_tools.load.link import Link, open_link
from pushaside_tools.load.plan import Plan
from pushaside_tools.load.schedule import Schedule, share
from pushaside_tools.load.tally import Interval, Tally

_REPORT_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_LINGER_SECONDS = 0.25
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Milestone:
    """The end of a phase of a process, whose last answer or delivery was at `heard_at`; 0 if there was none."""

    heard_at: float
    heads: Heads = field(default_factory=dict)


def generate(plan: Plan, process: int, pipe: Pipe) -> None:
    """Run one process of the plan; this is the process's main function.

    It sends an `Interval` over the pipe every second, and a `Milestone` after each phase:

    - all connections have been tried; it then receives the time to begin, or None to end
    - if there are channels, all messages have been published; it then receives the channels' last positions
    - the run has ended
    """
    # Ctrl-C reaches all processes of a terminal, and the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _run(Generator(plan, process, pipe.send).run(pipe))
    except* (BrokenPipeError, ConnectionResetError, EOFError):
        # The parent is gone, so nobody reads reports.
        sys.exit(1)


def _run(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine on uvloop where it is installed, which leaves more CPU to the service."""
    if importlib.util.find_spec("uvloop") is None:
        asyncio.run(work)
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


Adopt = Callable[[int, Link], None]


class Generator:
    """A process's work: connect, send requests and messages, close. It passes its counts to `report`."""

    def __init__(self, plan: Plan, process: int, report: Callable[[Interval | Milestone], None]) -> None:
        self._plan = plan
        self._process = process
        self._report = report
        self._links: list[Link] = []
        self._tally = Tally()
        self._cpu_seconds = 0.0
        self._counted_until = time.monotonic()
        self._report_at = self._counted_until + _REPORT_SECONDS
        self._asking = Asking(plan, process, self._note_loss)
        self._broadcast = Broadcast(plan, plan.topics, process, self._note_loss) if plan.topics else None

    async def run(self, pipe: Pipe) -> None:
        """Connect, wait for the time to begin, send, wait for the last answers, and close."""
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(self._report_on())
            await self._connect()
            if self._broadcast is not None:
                await self._broadcast.subscribed()
            self._reach_milestone()
            begins_at = await asyncio.to_thread(pipe.recv)
            if begins_at is not None:
                self._report_at = begins_at + _REPORT_SECONDS
                await self._work(begins_at, pipe)
            await self._close()
            reporting.cancel()
        self._reach_milestone()

    async def _connect(self) -> None:
        plan, began = self._plan, time.monotonic()
        schedule = Schedule(plan.connect_rate, self._process, plan.processes)
        async with asyncio.TaskGroup() as group:
            for index, (number, adopt) in enumerate(self._places()):
                await asyncio.sleep(max(0.0, began + schedule.at(index) - time.monotonic()))
                group.create_task(self._open(number, adopt))

    def _places(self) -> list[tuple[int, Adopt]]:
        """Return the use of each connection, numbered from 0 within each use."""
        kinds = [(self._plan.connections, self._asking.adopt)]
        if self._plan.topics is not None and self._broadcast is not None:
            kinds.append((self._plan.topics.publishers, self._broadcast.adopt_publisher))
            kinds.append((self._plan.topics.subscribers, self._broadcast.adopt_subscriber))
        shares = [(share(count, self._process, self._plan.processes), adopt) for count, adopt in kinds]
        return [(number, adopt) for count, adopt in shares for number in range(count)]

    async def _open(self, number: int, adopt: Adopt) -> None:
        began = time.monotonic()
        try:
            link = await open_link(self._plan.url, self._plan.token, number)
        except CannotConnectError as exc:
            self._tally.refused[exc.message] += 1
            return
        self._tally.connecting.record(time.monotonic() - began)
        self._tally.opened += 1
        self._links.append(link)
        adopt(number, link)

    async def _work(self, begins_at: float, pipe: Pipe) -> None:
        async with asyncio.TaskGroup() as group:
            if self._plan.connections:
                group.create_task(self._asking.run(begins_at))
            if self._broadcast is not None:
                group.create_task(self._broadcast.run(begins_at))
        if self._broadcast is not None:
            self._reach_milestone()
            await self._broadcast.settle(await asyncio.to_thread(pipe.recv))
        # A second answer or delivery may arrive a little later.
        await asyncio.sleep(_LINGER_SECONDS)

    async def _close(self) -> None:
        for link in self._links:
            link.close()
        if self._links:
            _, left = await asyncio.wait([link.ended for link in self._links], timeout=_CLOSE_SECONDS)
            if left:
                for link in self._links:
                    link.abort()

    def _note_loss(self) -> None:
        self._tally.closed += 1

    async def _report_on(self) -> None:
        """Expire unanswered requests and messages, and report every second."""
        while True:
            await asyncio.sleep(max(0.0, min(_LOOK_SECONDS, self._report_at - time.monotonic())))
            now = time.monotonic()
            self._asking.expire(now)
            if self._broadcast is not None:
                self._broadcast.expire(now)
            if now >= self._report_at:
                self._report_at += _REPORT_SECONDS * (1 + (now - self._report_at) // _REPORT_SECONDS)
                self._hand_over()

    def _hand_over(self) -> None:
        spent, self._cpu_seconds = self._cpu_seconds, time.process_time()
        self._tally.cpu_seconds += self._cpu_seconds - spent
        tally, self._tally = self._tally, Tally()
        tally.add(self._asking.hand_over())
        if self._broadcast is not None:
            tally.topics.add(self._broadcast.hand_over())
        began, self._counted_until = self._counted_until, time.monotonic()
        self._report(Interval(self._process, began, self._counted_until, tally))

    def _reach_milestone(self) -> None:
        """Report the counts and then the milestone."""
        self._hand_over()
        heads = {} if self._broadcast is None else self._broadcast.heads
        heard_at = max(self._asking.answered_at, 0.0 if self._broadcast is None else self._broadcast.delivered_at)
        self._report(Milestone(heard_at, heads))
