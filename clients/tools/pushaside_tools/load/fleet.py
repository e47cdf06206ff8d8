"""The processes of a run: starts them, lets them begin together, and adds up their counts."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from pushaside_tools.load.feed_ledger import Heads, merge_heads
from pushaside_tools.load.generator import Milestone, generate
from pushaside_tools.load.plan import Plan
from pushaside_tools.load.series import Series
from pushaside_tools.load.tally import Interval, Tally

_BEGIN_SECONDS = 0.1
"""The time in which all processes have received the time to begin."""
_END_SECONDS = 5.0
_LIVE_SECONDS = 0.5
"""A rate over a shorter time says little."""


class GeneratorError(Exception):
    """A process of the generator ended early."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run.

    `elapsed` is seconds from its start to the last answer or delivery, and `cpu_seconds` the CPU time of all
    processes. `ramp` has the counts while connections were opened, and `course` those since the load began.
    """

    tally: Tally
    elapsed: float
    cpu_seconds: float
    ramp: Series
    course: Series


Watch = Callable[[float, Tally, Tally], None]
"""A callback about every second: the seconds since the last one, the counts of those, and the counts so far."""


def run_fleet(plan: Plan, watch: Watch) -> Outcome:
    """Run a plan and return its outcome.

    Raises:
        GeneratorError: A process ended early.

    """
    context = multiprocessing.get_context("spawn")
    pipes: list[Pipe] = []
    processes: list[SpawnProcess] = []
    try:
        for number in range(plan.processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=generate, args=(plan, number, theirs), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        outcome = _conduct(plan, pipes, _Counting(watch))
        for process in processes:
            process.join(_END_SECONDS)
        return outcome
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for pipe in pipes:
            pipe.close()


def _conduct(plan: Plan, pipes: list[Pipe], counting: _Counting) -> Outcome:
    counting.collect(pipes)
    ramp, connecting_cpu = counting.series, counting.total.cpu_seconds
    begins_at = time.monotonic() + _BEGIN_SECONDS if counting.total.opened else None
    counting.series = course = Series(begins_at or time.monotonic())
    _say(pipes, begins_at)
    if begins_at is not None and plan.topics is not None:
        heads = merge_heads([reached.heads for reached in counting.collect(pipes)])
        _say(pipes, heads)
    last = counting.collect(pipes, is_last=True)
    if begins_at is None:
        return Outcome(counting.total, 0.0, 0.0, ramp, course)
    elapsed = max(0.0, *(reached.heard_at - begins_at for reached in last))
    return Outcome(counting.total, elapsed, counting.total.cpu_seconds - connecting_cpu, ramp, course)


def _say(pipes: list[Pipe], word: float | Heads | None) -> None:
    for pipe in pipes:
        try:
            pipe.send(word)
        except BrokenPipeError as exc:
            raise GeneratorError("A process of the load generator ended early.") from exc


class _Counting:
    """The sums of all processes' counts. It calls the watch about every second, once each process has reported."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._recent = Tally()
        self._reports = 0
        self._told_at = time.monotonic()
        self.total = Tally()
        self.series = Series(self._told_at)

    def collect(self, pipes: list[Pipe], *, is_last: bool = False) -> list[Milestone]:
        """Add up reports until each process has reached its next milestone; after the last one it reports nothing."""
        reached: list[Milestone] = []
        heard = set(pipes)
        while len(reached) < len(pipes):
            for ready in wait(list(heard)):
                said = _hear(ready) if isinstance(ready, Pipe) else None
                if isinstance(said, Milestone):
                    reached.append(said)
                    # A process that waits for the others goes on reporting; one that has ended does not.
                    heard -= {ready} if is_last else set()
                elif said is not None:
                    self._count(said)
            # Wait for a report of each process: a late one would make the rate jump.
            if self._reports >= len(heard) and time.monotonic() - self._told_at >= _LIVE_SECONDS:
                self._tell()
        return reached

    def _count(self, interval: Interval) -> None:
        self._reports += 1
        self._recent.add(interval.tally)
        self.total.add(interval.tally)
        self.series.add(interval)

    def _tell(self) -> None:
        now = time.monotonic()
        self._watch(now - self._told_at, self._recent, self.total)
        self._recent, self._reports, self._told_at = Tally(), 0, now


def _hear(pipe: Pipe) -> Interval | Milestone:
    try:
        said: Interval | Milestone = pipe.recv()
    except EOFError as exc:
        raise GeneratorError("A process of the load generator ended early.") from exc
    return said
