"""Rounds of measurements. Each round starts, measures and stops one peer after another."""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.peers.processes import Processes, cpu_seconds
from benchmarks.peers.registry import Peer
from benchmarks.peers.workloads import Figures, Target, Workload

IDLE = "idle"
_QUIET_WITHIN_SECONDS = 20.0
_LOOK_SECONDS = 0.25
_QUIET_SHARE = 0.15
"""The share of a core of a quiet peer, because some peers always poll."""


@dataclass(slots=True)
class Measured:
    """All rounds of a peer and a workload."""

    peer: Peer
    workload: Workload
    rounds: list[Figures] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [figures.rate for figures in self.rounds]

    @property
    def rate(self) -> float:
        """The median rate of the rounds."""
        return statistics.median(self.rates)

    def median(self, name: str) -> float | None:
        """Return the median of a figure; None unless all rounds have it."""
        values = [getattr(figures, name) for figures in self.rounds]
        return None if None in values or not values else statistics.median(values)

    def server_us(self) -> dict[str, float]:
        """Return the median CPU of each kind of process per answer or delivery."""
        names = {name: None for figures in self.rounds for name in figures.server_us}
        return {name: statistics.median(figures.server_us.get(name, 0.0) for figures in self.rounds) for name in names}

    def document(self) -> dict[str, Any]:
        """Return the document of `--json`."""
        document: dict[str, Any] = {
            "peer": self.peer.name,
            "workload": self.workload.name,
            "unit": self.workload.unit,
            "rounds": [asdict(figures) for figures in self.rounds],
            "failures": self.failures,
        }
        if self.rounds:
            document |= {"median": self.rate, "minimum": min(self.rates), "maximum": max(self.rates)}
        return document


def measure_all(peers: Sequence[Peer], workloads: Sequence[Workload], *, rounds: int, seconds: float) -> list[Measured]:
    """Measure every peer with its workloads, in rounds."""
    _raise_open_files()
    measured = {
        (peer.name, workload.name): Measured(peer, workload)
        for peer in peers
        for workload in workloads
        if workload.name in peer.workloads
    }
    for number in range(rounds):
        for peer in peers:
            mine = [each for each in measured.values() if each.peer is peer]
            if mine:
                print(f"round {number + 1} of {rounds}: {peer.title}", file=sys.stderr, flush=True)
                _measure_peer(peer, mine, seconds)
    return list(measured.values())


def _measure_peer(peer: Peer, mine: Sequence[Measured], seconds: float) -> None:
    """Start a peer, measure it with all workloads, and stop it."""
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as folder:
        processes = Processes(Path(folder))
        try:
            target = peer.start(processes)
            # A server that has worked before has free memory, which idle connections would use.
            for each in sorted(mine, key=lambda each: each.workload.name != IDLE):
                _wait_until_quiet(target)
                _measure_one(target, each, seconds)
        except Exception as exc:  # noqa: BLE001 - whatever keeps one peer from starting, the others go on
            for each in mine:
                each.failures.append(f"{type(exc).__name__}: {exc}")
        finally:
            processes.stop()


def _wait_until_quiet(target: Target) -> None:
    """Wait, with a limit, until a server has finished its start or the work of the last measurement."""
    give_up_at = time.monotonic() + _QUIET_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        pids = [pid for each in target.pids().values() for pid in each]
        before = cpu_seconds(pids)
        time.sleep(_LOOK_SECONDS)
        if cpu_seconds(pids) - before < _LOOK_SECONDS * _QUIET_SHARE:
            return


def _measure_one(target: Target, measured: Measured, seconds: float) -> None:
    try:
        with _without_collector(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            measured.rounds.append(runner.run(measured.workload.measure(target, seconds)))
    except Exception as exc:  # noqa: BLE001 - whatever error a peer raises, the others go on and the report names it
        measured.failures.append(f"{type(exc).__name__}: {exc}")


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the generator's own garbage collection out of latencies."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _raise_open_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def failures(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield a line for each failure."""
    for each in measured:
        for failure in dict.fromkeys(each.failures):
            yield f"{each.peer.name}, {each.workload.name}: {failure}"
