"""The plots of a run: which ones it has, and their values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pushaside.cli.output import describe_elapsed
from pushaside_tools.load.fleet import Outcome
from pushaside_tools.load.histogram import Histogram
from pushaside_tools.load.plan import Plan, TopicPlan
from pushaside_tools.load.plots import Kind, Line, Plot
from pushaside_tools.load.tally import Tally

_MARKS = (("p50", "c1", 50.0), ("p99", "c2", 99.0), ("max", "c3", 100.0))
_SOURCES = {"hit": "c1", "stale": "c2", "miss": "c4"}
_DASHED = ("sent", "due")
_LEAST_SHARE = 0.3
"""A last step shorter than this share of a step is left out of rates: its rate says little."""
_TIME = "seconds since the load began"

Counts = Sequence[tuple[str, str, Callable[[Tally], float]]]
"""Lines of rates: name, colour, and the count that each step has."""
Times = Callable[[Tally], Histogram]


def make_plots(plan: Plan, outcome: Outcome) -> Iterator[Plot]:
    """Yield the plots of the requests, of the channels and of the connections; those of nothing are left out."""
    tally = outcome.tally
    if plan.connections and tally.results:
        yield from _plot_requests(plan, outcome)
    if plan.topics is not None and tally.topics.delivered:
        about = "From the time a message was due to the time a subscriber received it."
        yield _plot_times(outcome, "Delivery over time", about, lambda tally: tally.topics.delivery)
        curves = [("delivery", tally.topics.delivery), ("publishing", tally.topics.publishing)]
        yield _plot_percentiles("Delivery by percentile", curves)
        yield _plot_deliveries(plan.topics, outcome)
    yield _plot_connections(plan, outcome)


def _plot_requests(plan: Plan, outcome: Outcome) -> Iterator[Plot]:
    begins = "was due" if plan.rate else "was sent"
    about = f"From the time a request {begins} to its result, for the results of each second."
    yield _plot_times(outcome, "Latency over time", about, lambda tally: tally.latency)
    curves = [("latency", outcome.tally.latency), ("since sent", outcome.tally.since_sent)]
    yield _plot_percentiles("Latency by percentile", curves[: 2 if plan.rate else 1])
    yield _plot_answers(outcome)
    yield _plot_cache(outcome)
    yield _plot_under_way(outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """The counts of a step of the run, which began at `begins` and took `seconds`."""

    begins: float
    seconds: float
    tally: Tally


def _steps(outcome: Outcome) -> list[_Step]:
    """Return the steps of the run until the last answer or delivery."""
    length, steps = outcome.course.step, []
    for index, point in enumerate(outcome.course.points):
        seconds = min(point.seconds, outcome.elapsed - index * length)
        if seconds > 0:
            steps.append(_Step(begins=index * length, seconds=seconds, tally=point.tally))
    return steps


def _whole_steps(outcome: Outcome) -> list[_Step]:
    """Return the steps that are long enough for rates and shares, which the last one often is not."""
    steps = _steps(outcome)
    return [step for step in steps if step.seconds >= _LEAST_SHARE * outcome.course.step] or steps


def _plot_steps(
    kind: Kind, title: str, about: str, steps: list[_Step], lines: list[Line], write: Callable[[float], str]
) -> Plot:
    return Plot(
        kind=kind,
        title=title,
        about=about,
        x_name=_TIME,
        xs=[step.begins for step in steps],
        labels=[(step.begins, f"{step.begins:g}") for step in steps],
        lines=lines,
        hints=_hints_of([step.begins for step in steps], lines, write),
        write=write,
        is_time=write is write_time,
    )


def _hints_of(moments: Iterable[float], lines: Sequence[Line], write: Callable[[float], str]) -> list[str]:
    return [
        "\n".join([f"{moment:.1f} s", *(f"{line.name}: {_say(line.values[index], write)}" for line in lines)])
        for index, moment in enumerate(moments)
    ]


def _say(value: float | None, write: Callable[[float], str]) -> str:
    if value is None:
        return "none"
    return describe_elapsed(value) if write is write_time else write(value)


def _plot_times(outcome: Outcome, title: str, about: str, times: Times) -> Plot:
    steps = _steps(outcome)
    histograms = [times(step.tally) for step in steps]
    lines = [
        Line(name=name, color=color, values=[each.percentile(percent) if each.count else None for each in histograms])
        for name, color, percent in _MARKS
    ]
    return _plot_steps(Kind.LINES, title, about, steps, lines, write_time)


def _plot_answers(outcome: Outcome) -> Plot:
    counts: Counts = [
        ("sent", "c4", lambda tally: tally.sent),
        ("results", "c1", lambda tally: tally.results),
        ("errors", "c2", lambda tally: tally.errors.total() + tally.faults),
        ("lost", "c3", lambda tally: tally.lost),
        ("wrong or doubled", "c5", lambda tally: tally.wrong.total() + tally.doubled),
    ]
    return _plot_rates(outcome, "Requests per second", "Requests sent, and their outcomes.", counts)


def _plot_deliveries(topics: TopicPlan, outcome: Outcome) -> Plot:
    audience = topics.subscribers / topics.topics
    counts: Counts = [
        ("delivered", "c1", lambda tally: tally.topics.delivered),
        ("due", "c4", lambda tally: tally.topics.published * audience),
        ("doubled", "c2", lambda tally: tally.topics.doubled),
        ("out of order", "c3", lambda tally: tally.topics.reordered),
        ("wrong", "c5", lambda tally: tally.topics.wrong.total()),
    ]
    about = "Each published message is due once to each of its subscribers."
    return _plot_rates(outcome, "Deliveries per second", about, counts)


def _plot_rates(outcome: Outcome, title: str, about: str, counts: Counts) -> Plot:
    steps = _whole_steps(outcome)
    # Counts that stayed at zero have no line, but a plot has at least one.
    shown = [each for each in counts if any(each[2](step.tally) for step in steps)] or counts[:1]
    lines = [
        Line(
            name=name,
            color=color,
            values=[count(step.tally) / step.seconds for step in steps],
            is_dashed=name in _DASHED,
        )
        for name, color, count in shown
    ]
    return _plot_steps(Kind.LINES, title, about, steps, lines, write_count)


def _plot_cache(outcome: Outcome) -> Plot:
    steps = [step for step in _whole_steps(outcome) if step.tally.results]
    sources = outcome.tally.sources
    colors = {**_SOURCES, **dict.fromkeys(sorted(sources.keys() - _SOURCES.keys()), "c5")}
    lines = [
        Line(
            name=source,
            color=color,
            values=[100 * step.tally.sources[source] / step.tally.results for step in steps],
        )
        for source, color in colors.items()
        if sources[source]
    ]
    about = "The share of each second's results that came fresh from a cache, stale from it, or were computed."
    return _plot_steps(Kind.LAYERS, "Cache", about, steps, lines, _write_share)


def _plot_percentiles(title: str, curves: Sequence[tuple[str, Histogram]]) -> Plot:
    # Both curves are drawn at the percentiles of the first, so that a hint tells both.
    percents = [percent for percent, _ in curves[0][1].curve() if percent < 100]
    lines = [
        Line(name=name, color=color, values=[times.percentile(percent) for percent in percents])
        for (name, times), color in zip(curves, ("c1", "c2"), strict=False)
    ]
    nines = max(1, math.floor(max(map(_nines_of, percents))))
    marks = [0.0, *(100 - 10.0 ** (2 - count) for count in range(1, nines + 1))]
    return Plot(
        kind=Kind.CURVES,
        title=title,
        about="The time that this percentage did not exceed.",
        x_name="percentile",
        xs=[_nines_of(percent) for percent in percents],
        labels=[(_nines_of(mark), f"{mark:.10g} %") for mark in marks],
        lines=lines,
        hints=[
            "\n".join([f"{percent:.6g} %", *(f"{line.name}: {_say(line.values[index], write_time)}" for line in lines)])
            for index, percent in enumerate(percents)
        ],
        write=write_time,
    )


def _nines_of(percent: float) -> float:
    """Return how many nines a percentile has: each nine is as wide as the next, as in HdrHistogram's plots.

    >>> [round(_nines_of(percent), 9) for percent in (0, 90, 99.9)]
    [0.0, 1.0, 3.0]
    """
    return math.log10(100 / (100 - percent))


def _plot_under_way(outcome: Outcome) -> Plot:
    count, points = 0, [(0.0, 0.0)]
    for step in _steps(outcome):
        tally = step.tally
        count += tally.sent - tally.results - tally.errors.total() - tally.lost
        points.append((step.begins + step.seconds, float(count)))
    about = "Requests without an answer at the end of each second. If the number grows, the service is overloaded."
    return _plot_counts("Requests under way", about, "under way", points)


def _plot_connections(plan: Plan, outcome: Outcome) -> Plot:
    moment, count = -sum(point.seconds for point in outcome.ramp.points), 0
    points = [(moment, 0.0)]
    for point in outcome.ramp.points:
        moment, count = moment + point.seconds, count + point.tally.opened - point.tally.closed
        points.append((moment, float(count)))
    for index, point in enumerate(outcome.course.points):
        count += point.tally.opened - point.tally.closed
        points.append((min((index + 1) * outcome.course.step, outcome.elapsed), float(count)))
    about = f"Connections open at {plan.connect_rate:g} a second; the load begins once all have been tried, at 0."
    return _plot_counts("Connections", about, "open", points)


def _plot_counts(title: str, about: str, name: str, points: list[tuple[float, float]]) -> Plot:
    moments = [moment for moment, _ in points]
    lines = [Line(name=name, color="c1", values=[value for _, value in points])]
    return Plot(
        kind=Kind.CURVES,
        title=title,
        about=about,
        x_name=_TIME,
        xs=moments,
        labels=(),
        lines=lines,
        hints=_hints_of(moments, lines, write_count),
        write=write_count,
    )


def write_time(seconds: float) -> str:
    """Write a time at an axis.

    >>> write_time(0.0), write_time(0.00025), write_time(0.005), write_time(2.0)
    ('0', '0.25 ms', '5 ms', '2 s')
    """
    if seconds == 0:
        return "0"
    return f"{seconds * 1000:.6g} ms" if seconds < 1 else f"{seconds:.6g} s"


def write_count(value: float) -> str:
    """Write a number at an axis.

    >>> write_count(0.5), write_count(2500.0), write_count(2500000.0)
    ('0.5', '2,500', '2.5 M')
    """
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,.6g}"


def _write_share(percent: float) -> str:
    return f"{percent:.4g} %"
