"""Tables of the measurements in Markdown, and their places in docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.peers.harness import Measured
from benchmarks.peers.workloads import DATA_KEEPERS, Workload

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/performance.md"
OURS = ("ours", "ours-worker")


def render_table(workload: Workload, measured: Sequence[Measured]) -> str:
    """Return the table of a workload, the best peer first: medians of the rounds, lowest and highest."""
    mine = [each for each in measured if each.workload is workload and each.rounds]
    mine.sort(key=lambda each: each.rate if workload.is_less_better else -each.rate)
    reference = _ours(mine)
    header = ("", workload.unit, "to ours", *(() if workload.is_less_better else _COLUMNS))
    lines = [f"| {' | '.join(header)} |", f"| --- |{' ---: |' * (len(header) - 1)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in (_row(each, reference) for each in mine)]
    lines += [line for each in mine if each.peer.is_ours and (line := _by_process(each))]
    return "\n".join(lines)


def _by_process(each: Measured) -> str:
    """Describe the CPU of each of our processes."""
    used = sorted(each.server_us().items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {number(microseconds)}" for name, microseconds in used if microseconds >= 1)
    return f"\n{each.peer.title}, us of CPU by process: {shown}." if shown else ""


_COLUMNS = ("p50, ms", "p99, ms", "CPU of the server, us", "of its database and AWS, us", "of the generator, us")


def _ours(measured: Iterable[Measured]) -> float | None:
    by_name = {each.peer.name: each.rate for each in measured}
    return next((by_name[name] for name in OURS if name in by_name), None)


def _row(each: Measured, ours: float | None) -> Iterator[str]:
    yield f"**{each.peer.title}**" if each.peer.is_ours else each.peer.title
    yield f"{number(each.rate)} ({number(min(each.rates))} to {number(max(each.rates))})"
    yield number(each.rate / ours) if ours else ""
    if each.workload.is_less_better:
        return
    yield from (_optional(each.median(name), "{:,.1f}") for name in ("p50_ms", "p99_ms"))
    cpu = each.server_us()
    kept = sum(cpu.get(name, 0.0) for name in DATA_KEEPERS)
    yield number(sum(cpu.values()) - kept)
    yield number(kept)
    yield _optional(each.median("generator_us"), "{:,.0f}")


def _optional(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def number(value: float) -> str:
    """Format a figure with its significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.1f}"


def render_all(workloads: Sequence[Workload], measured: Sequence[Measured]) -> dict[str, str]:
    """Return the tables of all measured workloads."""
    return {
        workload.name: render_table(workload, measured)
        for workload in workloads
        if any(each.rounds for each in measured if each.workload is workload)
    }


def write_tables(tables: dict[str, str], document: Path = DOCUMENT) -> None:
    """Write tables between their markers, `<!-- table: NAME -->` and `<!-- end of table -->`."""
    text = document.read_text()
    for name, table in tables.items():
        between = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end of table -->)", re.DOTALL)
        if not between.search(text):
            raise SystemExit(f"{document} has no place for the table {name}.")
        text = between.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)  # noqa: B023 - used at once
    document.write_text(text)
