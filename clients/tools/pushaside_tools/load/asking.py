"""The requests of one process: sends them when due, and passes answers to the ledger."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from pushaside_tools.load.keys import NextKey, mixed_keys, new_keys, zipf_keys
from pushaside_tools.load.ledger import Expectations, Ledger, Pending
from pushaside_tools.load.link import Link
from pushaside_tools.load.pacing import send_at_rate
from pushaside_tools.load.plan import PATIENCE_SECONDS, Plan, RequestWriter
from pushaside_tools.load.schedule import Schedule, share


class Asking:
    """Sender of requests over the connections that it adopts. It calls `on_loss` when it loses one of them."""

    def __init__(self, plan: Plan, process: int, on_loss: Callable[[], None]) -> None:
        self._plan = plan
        self._process = process
        self._on_loss = on_loss
        self._links: dict[int, Link] = {}
        self._turn = 0
        self._ends_at = 0.0
        self._heard = asyncio.Event()
        self._write = RequestWriter(plan.compute, plan.params, plan.deadline).write
        self._next_key = _choose_keys(plan, process)
        steady_keys = 0 if plan.may_change or plan.cold_share == 1 else plan.keys
        expectations = Expectations(steady_keys=steady_keys, has_seed=plan.has_seed)
        self._ledger = Ledger(f"{plan.run:x}-{process}", expectations, plan.deadline + PATIENCE_SECONDS)
        self.hand_over = self._ledger.hand_over
        self.answered_at = 0.0

    def adopt(self, number: int, link: Link) -> None:
        """Use a connection for requests."""
        self._links[number] = link
        link.listen(self._take, self._lose)

    async def run(self, begins_at: float) -> None:
        """Send all requests from `begins_at` on, and wait for the last answer."""
        plan = self._plan
        self._ends_at = begins_at + plan.duration
        await asyncio.sleep(max(0.0, begins_at - time.monotonic()))
        if plan.rate is None:
            self._begin_closed(share(plan.concurrency, self._process, plan.processes))
            await asyncio.sleep(max(0.0, self._ends_at - time.monotonic()))
        else:
            schedule = Schedule(plan.rate, self._process, plan.processes)
            unsent = await send_at_rate(schedule, begins_at, plan.duration, plan.deadline, self._send_next, self._links)
            self._ledger.tally.unsent += unsent
        while self._ledger.unanswered:
            self._heard.clear()
            await self._heard.wait()

    def expire(self, now: float) -> None:
        """Count requests as lost that have been unanswered for too long."""
        for lost in self._ledger.expire(now):
            self._go_on(lost)

    def _begin_closed(self, concurrency: int) -> None:
        links = list(self._links)
        if links:
            for index in range(concurrency):
                self._send(links[index % len(links)], time.monotonic())

    def _send_next(self, _index: int, due: float) -> None:
        """Send a request over the next connection in turn, skipping lost ones."""
        while True:
            number = self._turn
            self._turn = (number + 1) % self._plan.connections
            if number in self._links:
                self._send(number, due)
                return

    def _send(self, number: int, due: float) -> None:
        key = self._next_key()
        request_id = self._ledger.open(key, due, time.monotonic(), number)
        self._links[number].send(self._write(request_id, key))

    def _take(self, message: bytes, number: int) -> None:
        now = time.monotonic()
        ended = self._ledger.take(message, now, number)
        if ended is not None:
            self.answered_at = now
            self._go_on(ended)

    def _go_on(self, ended: Pending) -> None:
        """Replace an ended request by another one, in the closed model."""
        now = time.monotonic()
        if self._plan.rate is None and now < self._ends_at and ended.link in self._links:
            self._send(ended.link, now)
        if not self._ledger.unanswered:
            self._heard.set()

    def _lose(self, number: int) -> None:
        if self._links.pop(number, None) is not None:
            self._on_loss()
            self._ledger.drop_link(number)
            self._heard.set()


def _choose_keys(plan: Plan, process: int) -> NextKey:
    rare = new_keys(plan.run, process, plan.processes)
    if plan.cold_share == 1:
        return rare
    # A process draws the same sequence in every run, so that runs can be compared.
    draw = random.Random(process).random  # noqa: S311  (not for secrets)
    usual = zipf_keys(plan.keys, plan.skew, draw)
    return mixed_keys(plan.cold_share, rare, usual, draw) if plan.cold_share else usual
