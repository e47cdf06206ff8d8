"""What is said of a run: a line while it lasts, then one document for machines or some lines for people."""

from __future__ import annotations

from pushaside.cli.output import describe_elapsed, milliseconds
from pushaside.load.fleet import Outcome
from pushaside.load.histogram import Histogram
from pushaside.load.plan import Plan
from pushaside.load.tally import Tally

_PERCENTILES = (50.0, 75.0, 90.0, 99.0, 99.9)
_BUSY = 0.9
"""A generator that takes so much of its CPUs measures itself."""


def describe_second(seconds: float, recent: Tally, total: Tally) -> str:
    """Say in a line how it goes.

    >>> recent = Tally()
    >>> recent.sources["hit"] += 300
    >>> recent.latency.record(0.0034)
    >>> describe_second(1.5, recent, Tally(opened=100))
    '100 connections · 200/s · p50 3.4 ms · p99 3.4 ms · errors 0 · lost 0 · doubled 0 · wrong 0'
    """
    rate = recent.results / seconds
    p50, p99 = (describe_elapsed(recent.latency.percentile(percent)) for percent in (50, 99))
    connections = f"{total.opened - total.closed:,} connections"
    return f"{connections} · {rate:,.0f}/s · p50 {p50} · p99 {p99} · {_describe_flaws(total)}"


def live_rows(seconds: float, recent: Tally, total: Tally) -> list[tuple[str, str, str, bool]]:
    """Return the rows of a table that shows how it goes: name, last second, in all, and whether it is a flaw.

    >>> live_rows(1.0, Tally(sent=2), Tally(sent=5, lost=1))[-3]
    ('lost', '0', '1', True)
    """
    rows = [("connections", "", f"{total.opened - total.closed:,}", False)]
    rows.append(("sent", f"{recent.sent / seconds:,.0f}/s", f"{total.sent:,}", False))
    rows.append(("results", f"{recent.results / seconds:,.0f}/s", f"{total.results:,}", False))
    for percent in (50, 90, 99):
        times = [describe_elapsed(each.latency.percentile(percent)) if each.results else "" for each in (recent, total)]
        rows.append((f"p{percent}", times[0], times[1], False))
    rows += [(name, f"{recent.sources[name]:,}", f"{count:,}", False) for name, count in sorted(total.sources.items())]
    flaws = [
        ("errors", recent.errors.total() + recent.faults, total.errors.total() + total.faults),
        ("lost", recent.lost, total.lost),
        ("doubled", recent.doubled, total.doubled),
        ("wrong", recent.wrong.total(), total.wrong.total()),
    ]
    return rows + [(name, f"{last:,}", f"{whole:,}", whole > 0) for name, last, whole in flaws]


def load_document(plan: Plan, outcome: Outcome) -> dict[str, object]:
    """Write what a run came to."""
    tally = outcome.tally
    return {
        "type": "load",
        "model": "closed" if plan.rate is None else "open",
        "rate": plan.rate,
        "concurrency": plan.concurrency if plan.rate is None else None,
        "compute": plan.compute,
        "keys": None if plan.is_cold else plan.keys,
        "skew": plan.skew,
        "duration_seconds": plan.duration,
        "processes": plan.processes,
        "elapsed_seconds": round(outcome.elapsed, 3),
        "connections": _connections(plan, tally),
        "sent": tally.sent,
        "unsent": tally.unsent,
        "results": tally.results,
        "results_per_second": round(results_per_second(outcome), 1),
        "cache": dict(tally.sources),
        "errors": dict(tally.errors),
        "gateway_errors": tally.faults,
        "lost": tally.lost,
        "late": tally.late,
        "doubled": tally.doubled,
        "wrong": tally.wrong.total(),
        "wrong_because": dict(tally.wrong),
        "linked": tally.linked,
        "received_bytes": tally.received_bytes,
        "latency_ms": percentiles(tally.latency),
        "since_sent_ms": percentiles(tally.since_sent),
        "generator_cpu": round(generator_cpu(plan, outcome), 3),
    }


def describe_outcome(plan: Plan, outcome: Outcome) -> str:
    """Say in some lines what a run came to."""
    tally = outcome.tally
    sources = " · ".join(f"{name} {count:,}" for name, count in sorted(tally.sources.items()))
    lines = [
        f"{tally.results:,} results in {outcome.elapsed:.1f} s · {results_per_second(outcome):,.0f}/s · {sources}",
        f"latency    {_describe_times(tally.latency)}",
    ]
    if plan.rate is not None:
        lines.append(f"since sent {_describe_times(tally.since_sent)}")
    lines.append(_describe_flaws(tally))
    for counts in (tally.errors, tally.wrong, tally.refused):
        lines += [f"  {count:,} of: {name}" for name, count in counts.most_common()]
    return "\n".join([*lines, *_warnings(plan, outcome)])


def percentiles(times: Histogram) -> dict[str, float]:
    """Write times in milliseconds.

    >>> times = Histogram()
    >>> times.record(0.002)
    >>> percentiles(times)["p99.9"]
    2.0
    """
    marks = {f"p{percent:g}": milliseconds(times.percentile(percent)) for percent in _PERCENTILES}
    least = times.least if times.count else 0.0
    return {
        "mean": milliseconds(times.mean),
        "min": milliseconds(least),
        **marks,
        "max": milliseconds(times.most),
    }


def results_per_second(outcome: Outcome) -> float:
    """Return the results per second, of all the time until the last answer."""
    return outcome.tally.results / outcome.elapsed if outcome.elapsed else 0.0


def generator_cpu(plan: Plan, outcome: Outcome) -> float:
    """Return how much of a CPU each process of the generator took, while it sent and waited."""
    return outcome.cpu_seconds / outcome.elapsed / plan.processes if outcome.elapsed else 0.0


def _connections(plan: Plan, tally: Tally) -> dict[str, object]:
    return {
        "planned": plan.connections,
        "opened": tally.opened,
        "refused": dict(tally.refused),
        "closed_early": tally.closed,
        "open_ms": percentiles(tally.connecting),
    }


def _describe_times(times: Histogram) -> str:
    marks = [f"p{percent:g} {describe_elapsed(times.percentile(percent))}" for percent in _PERCENTILES]
    return " · ".join([*marks, f"max {describe_elapsed(times.most)}"])


def _describe_flaws(tally: Tally) -> str:
    errors = tally.errors.total() + tally.faults
    return f"errors {errors:,} · lost {tally.lost:,} · doubled {tally.doubled:,} · wrong {tally.wrong.total():,}"


def _warnings(plan: Plan, outcome: Outcome) -> list[str]:
    tally = outcome.tally
    warnings = []
    if tally.unsent:
        warnings.append(f"{tally.unsent:,} requests could not be sent in time: what was asked for was not measured.")
    if tally.opened < plan.connections or tally.closed:
        warnings.append(f"Of {plan.connections:,} connections {tally.opened:,} opened, {tally.closed:,} were lost.")
    if generator_cpu(plan, outcome) > _BUSY:
        warnings.append("The generator was busy all the time, so that it measured itself: take more --processes.")
    return warnings
