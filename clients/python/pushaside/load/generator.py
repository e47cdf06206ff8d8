"""One process of the load generator: opens its share of the connections, then sends its share of the requests."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection as Pipe

from pushaside.errors import CannotConnectError
from pushaside.load.keys import NextKey, new_keys, zipf_keys
from pushaside.load.ledger import Expectations, Ledger, Pending
from pushaside.load.link import Link, open_link
from pushaside.load.plan import PATIENCE_SECONDS, Plan, RequestWriter
from pushaside.load.schedule import Schedule, share
from pushaside.load.tally import Tally

_REPORT_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_LINGER_SECONDS = 0.25
_CLOSE_SECONDS = 5.0
_BURST = 64
"""After so many requests that are due at once, answers are read before more are sent."""


def generate(plan: Plan, process: int, pipe: Pipe) -> None:
    """Run one of the plan's processes: the main function of it.

    Sends a `Tally` over the pipe every second, and at two times the moment of the last answer (of `time.monotonic`):
    when all connections were tried, upon which it waits to be sent the moment to begin, or None not to; and at the end.
    """
    # Ctrl-C goes to all processes of a terminal; the one that started this one sees to its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _run(Generator(plan, process, pipe.send).run(pipe))
    except* (BrokenPipeError, ConnectionResetError, EOFError):
        # Whoever started this process is gone, and nobody is left to be told.
        sys.exit(1)


def _run(work: Coroutine[object, object, None]) -> None:
    """Run on uvloop where it is installed: it takes less of the CPU that the service may need."""
    if importlib.util.find_spec("uvloop") is None:
        asyncio.run(work)
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


class Generator:
    """Sends what is due, and hands what comes to the ledger; `report` is given what was counted."""

    def __init__(self, plan: Plan, process: int, report: Callable[[Tally | float], None]) -> None:
        self._plan = plan
        self._process = process
        self._report = report
        self._links: dict[int, Link] = {}
        self._turn = 0
        self._ends_at = 0.0
        self._answered_at = time.monotonic()
        self._heard = asyncio.Event()
        self._cpu_seconds = 0.0
        self._write = RequestWriter(plan.compute, plan.params, plan.deadline).write
        self._next_key = _choose_keys(plan, process)
        expectations = Expectations(is_steady=not (plan.may_change or plan.is_cold), has_seed=plan.has_seed)
        self._ledger = Ledger(f"{plan.run:x}-{process}", expectations, plan.deadline + PATIENCE_SECONDS)

    async def run(self, pipe: Pipe) -> None:
        """Connect, wait for the word, send, wait for the last answers, and close."""
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(self._report_on())
            await self._connect()
            self._hand_over()
            self._report(self._answered_at)
            begins_at = await asyncio.to_thread(pipe.recv)
            if begins_at is not None:
                await self._send_and_wait(begins_at)
                # What is answered twice may be so a little later.
                await asyncio.sleep(_LINGER_SECONDS)
            await self._close()
            reporting.cancel()
        self._hand_over()
        self._report(self._answered_at)

    async def _connect(self) -> None:
        plan, began = self._plan, time.monotonic()
        schedule = Schedule(plan.connect_rate, self._process, plan.processes)
        async with asyncio.TaskGroup() as group:
            for number in range(share(plan.connections, self._process, plan.processes)):
                await asyncio.sleep(max(0.0, began + schedule.at(number) - time.monotonic()))
                group.create_task(self._open(number))

    async def _open(self, number: int) -> None:
        began = time.monotonic()
        try:
            link = await open_link(self._plan.url, self._plan.token, number)
        except CannotConnectError as exc:
            self._ledger.tally.refused[exc.message] += 1
            return
        self._ledger.tally.connecting.record(time.monotonic() - began)
        self._ledger.tally.opened += 1
        self._links[number] = link
        link.listen(self._take, self._lose)

    async def _send_and_wait(self, begins_at: float) -> None:
        self._ends_at = begins_at + self._plan.duration
        await asyncio.sleep(max(0.0, begins_at - time.monotonic()))
        if self._plan.rate is None:
            self._begin_closed(share(self._plan.concurrency, self._process, self._plan.processes))
            await asyncio.sleep(max(0.0, self._ends_at - time.monotonic()))
        else:
            await self._send_at_rate(Schedule(self._plan.rate, self._process, self._plan.processes), begins_at)
        while self._ledger.unanswered:
            self._heard.clear()
            await self._heard.wait()

    def _begin_closed(self, concurrency: int) -> None:
        links = list(self._links)
        if links:
            for index in range(concurrency):
                self._send(links[index % len(links)], time.monotonic())

    async def _send_at_rate(self, schedule: Schedule, begins_at: float) -> None:
        """Send each request when it is due or as soon after as can be; what can't be until much later is told."""
        total, index = schedule.count_before(self._plan.duration), 0
        gives_up_at = self._ends_at + self._plan.deadline
        while index < total:
            burst = 0
            while index < total and burst < _BURST and (due := begins_at + schedule.at(index)) <= time.monotonic():
                if not self._links or due > gives_up_at:
                    break
                self._send(self._take_turn(), due)
                index, burst = index + 1, burst + 1
            if not self._links or time.monotonic() > gives_up_at:
                self._ledger.tally.unsent += total - index
                return
            if index < total:
                await asyncio.sleep(max(0.0, begins_at + schedule.at(index) - time.monotonic()))

    def _take_turn(self) -> int:
        """Choose connections one after another. A lost one leaves its turn to the next."""
        while True:
            number = self._turn
            self._turn = (number + 1) % self._plan.connections
            if number in self._links:
                return number

    def _send(self, number: int, due: float) -> None:
        key = self._next_key()
        request_id = self._ledger.open(key, due, time.monotonic(), number)
        self._links[number].send(self._write(request_id, key))

    def _take(self, message: bytes, number: int) -> None:
        now = time.monotonic()
        ended = self._ledger.take(message, now, number)
        if ended is not None:
            self._answered_at = now
            self._go_on(ended)

    def _go_on(self, ended: Pending) -> None:
        """Send another request in place of one that has ended, in the closed model."""
        now = time.monotonic()
        if self._plan.rate is None and now < self._ends_at and ended.link in self._links:
            self._send(ended.link, now)
        if not self._ledger.unanswered:
            self._heard.set()

    def _lose(self, number: int) -> None:
        if self._links.pop(number, None) is not None:
            self._ledger.tally.closed += 1
            self._ledger.drop_link(number)
            self._heard.set()

    async def _close(self) -> None:
        links = list(self._links.values())
        for link in links:
            link.close()
        if links:
            _, left = await asyncio.wait([link.ended for link in links], timeout=_CLOSE_SECONDS)
            if left:
                for link in links:
                    link.abort()

    async def _report_on(self) -> None:
        """Look for what is lost, and report every second."""
        reported_at = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for lost in self._ledger.expire(now):
                self._go_on(lost)
            if now - reported_at >= _REPORT_SECONDS:
                reported_at = now
                self._hand_over()

    def _hand_over(self) -> None:
        spent, self._cpu_seconds = self._cpu_seconds, time.process_time()
        self._ledger.tally.cpu_seconds += self._cpu_seconds - spent
        self._report(self._ledger.hand_over())


def _choose_keys(plan: Plan, process: int) -> NextKey:
    if plan.is_cold:
        return new_keys(plan.run, process, plan.processes)
    # Each process draws its own sequence, and the same one in every run: so runs can be compared.
    return zipf_keys(plan.keys, plan.skew, random.Random(process).random)  # noqa: S311  (no secret hangs on it)
