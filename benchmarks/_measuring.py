"""Shared code of the benchmarks: CPU time per call, rounds, tables in Markdown, and documents of the demo's data."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from local.demo import airport_documents, airport_scores, read_airports, temperature_documents


@dataclass(frozen=True, slots=True)
class Rounds:
    """Microseconds of CPU per call, one figure for each round."""

    microseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.microseconds)

    def __str__(self) -> str:
        low, high = min(self.microseconds), max(self.microseconds)
        return f"{_figures(self.median)} ({_figures(low)}-{_figures(high)})"


def _figures(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


Batch = Callable[[int], object]
"""A function that makes that many calls."""


def repeat(call: Callable[[], object]) -> Batch:
    """Return a function that makes a call any number of times."""

    def batch(calls: int) -> None:
        for _ in range(calls):
            call()

    return batch


def measure_in_turn(batches: Sequence[Batch], *, rounds: int = 5, seconds: float = 0.05) -> list[Rounds]:
    """Measure the CPU time of calls in rounds. It depends little on what other processes do.

    Each round measures every call once, so that a slow moment of the machine affects all of them.
    """
    counts = [_count_calls(batch, seconds) for batch in batches]
    turns = [
        [_cpu_seconds(batch, calls) / calls * 1e6 for batch, calls in zip(batches, counts, strict=True)]
        for _ in range(rounds)
    ]
    return [Rounds(figures) for figures in zip(*turns, strict=True)]


def _count_calls(batch: Batch, seconds: float) -> int:
    """Return the number of calls that take about this time."""
    calls = 1
    while (taken := _cpu_seconds(batch, calls)) < seconds / 4:
        calls *= 2
    return max(1, int(calls * seconds / taken))


def _cpu_seconds(batch: Batch, calls: int) -> float:
    started = time.process_time()
    batch(calls)
    return time.process_time() - started


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown. The first column is text, the others are numbers."""
    print(f"| {' | '.join(header)} |")
    print(f"| --- |{' ---: |' * (len(header) - 1)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print(flush=True)


def demo_results() -> dict[str, bytes]:
    """Return results of the demo's computes, by description."""
    airports = read_airports()
    by_state = {document.document_id: document.content for document in airport_documents(airports)}
    temperatures = temperature_documents()[0].content
    scores = sorted(airport_scores(airports).items(), key=lambda item: (-item[1], item[0]))
    board = [{"rank": rank, "member": member, "score": score} for rank, (member, score) in enumerate(scores, 1)]
    return {
        "airports of Texas": by_state["TX"],
        "airports of California": by_state["CA"],
        "a year of temperatures": temperatures,
        "leaderboard, all": msgspec.json.encode(board),
        "leaderboard, first ten": msgspec.json.encode(board[:10]),
        "one airport": cut(by_state["TX"], 150),
    }


def cut(array: bytes, size_bytes: int) -> bytes:
    """Return the first elements of an array, up to about this size."""
    elements = msgspec.json.decode(array, type=list[msgspec.Raw])
    kept, size = [], 2
    for element in elements:
        size += len(bytes(element)) + 1
        kept.append(element)
        if size >= size_bytes:
            break
    return msgspec.json.encode(kept)
