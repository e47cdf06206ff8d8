"""Starts the processes of a run, has them begin together, and adds up what they count."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from pushaside.load.generator import generate
from pushaside.load.plan import Plan
from pushaside.load.tally import Tally

_BEGIN_SECONDS = 0.1
"""All processes have heard the word by then."""
_END_SECONDS = 5.0
_LIVE_SECONDS = 0.5
"""A rate over less would say little."""


class GeneratorError(Exception):
    """A process of the generator ended before its time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `elapsed` is seconds from its begin to the last answer; `cpu_seconds` all processes'."""

    tally: Tally
    elapsed: float
    cpu_seconds: float


Watch = Callable[[float, Tally, Tally], None]
"""Is told, about every second: the seconds that it took, what was counted in them, and in all."""


def run_fleet(plan: Plan, watch: Watch) -> Outcome:
    """Carry out a plan.

    Raises:
        GeneratorError: a process ended before its time.

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
        outcome = _conduct(pipes, _Counting(watch))
        for process in processes:
            process.join(_END_SECONDS)
        return outcome
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for pipe in pipes:
            pipe.close()


def _conduct(pipes: list[Pipe], counting: _Counting) -> Outcome:
    counting.collect(pipes)
    connecting_cpu = counting.total.cpu_seconds
    if not counting.total.opened:
        _say(pipes, None)
        counting.collect(pipes)
        return Outcome(counting.total, 0.0, 0.0)
    begins_at = time.monotonic() + _BEGIN_SECONDS
    _say(pipes, begins_at)
    counting.collect(pipes)
    elapsed = max(0.0, counting.answered_at - begins_at)
    return Outcome(counting.total, elapsed, counting.total.cpu_seconds - connecting_cpu)


def _say(pipes: list[Pipe], begins_at: float | None) -> None:
    for pipe in pipes:
        try:
            pipe.send(begins_at)
        except BrokenPipeError as exc:
            raise GeneratorError("A process of the load generator ended before its time.") from exc


class _Counting:
    """Adds up tallies; tells the watch about every second, once there is one of each process."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._recent = Tally()
        self._reports = 0
        self._told_at = time.monotonic()
        self.total = Tally()
        self.answered_at = 0.0

    def collect(self, pipes: list[Pipe]) -> None:
        """Count what comes until each process has said that it is done."""
        left = set(pipes)
        while left:
            for ready in wait(list(left)):
                if isinstance(ready, Pipe) and not self._take(ready):
                    left.discard(ready)
            # Each has reported once since the last time; otherwise the rate would jump with who was a little late.
            if self._reports >= len(left) and time.monotonic() - self._told_at >= _LIVE_SECONDS:
                self._tell()

    def _take(self, pipe: Pipe) -> bool:
        try:
            said = pipe.recv()
        except EOFError as exc:
            raise GeneratorError("A process of the load generator ended before its time.") from exc
        if isinstance(said, float):
            self.answered_at = max(self.answered_at, said)
            return False
        self._reports += 1
        self._recent.add(said)
        self.total.add(said)
        return True

    def _tell(self) -> None:
        now = time.monotonic()
        self._watch(now - self._told_at, self._recent, self.total)
        self._recent, self._reports, self._told_at = Tally(), 0, now
