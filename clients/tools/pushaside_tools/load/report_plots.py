"""Which plots a run has, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pushaside.cli.output import describe_elapsed
from pushaside_tools.load.fleet import Outcome
from pushaside_tools.load.hgrm import percentile_steps
from pushaside_tools.load.histogram import Histogram
from pushaside_tools.load.plan import Plan, TopicPlan
from pushaside_tools.load.plots import Axis, Band, Line, Plot
from pushaside_tools.load.scales import Linear, Tail, scale_from_zero, scale_of_times
from pushaside_tools.load.tally import Tally

_MARKS = (("p50", "c1", 50.0), ("p99", "c2", 99.0), ("max", "c3", 100.0))
_SOURCES = {"hit": "c1", "stale": "c2", "miss": "c4"}
_DASHED = ("sent", "due")
_LEAST_SHARE = 0.3
"""A rate over less of the last step would say little."""

Counts = Sequence[tuple[str, str, Callable[[Tally], float]]]
Times = Callable[[Tally], Histogram]


def make_plots(plan: Plan, outcome: Outcome) -> Iterator[Plot]:
    """Give the plots of the requests, of the channels, and of the connections."""
    tally = outcome.tally
    if plan.connections and tally.results:
        name = "from when it was due" if plan.rate else "from when it was sent"
        yield _over_time(
            outcome, "Latency over time", f"Of each second's results, {name}.", lambda tally: tally.latency
        )
        curves = [("latency", tally.latency), ("since sent", tally.since_sent)]
        yield _by_percentile("Latency by percentile", curves[: 2 if plan.rate else 1])
        yield _rates(outcome)
        yield _cache_states(outcome)
        yield _under_way(outcome)
    if plan.topics is not None and tally.topics.delivered:
        about = "From when a message was due to when a subscriber had it."
        yield _over_time(outcome, "Delivery over time", about, lambda tally: tally.topics.delivery)
        curves = [("delivery", tally.topics.delivery), ("publishing", tally.topics.publishing)]
        yield _by_percentile("Delivery by percentile", curves)
        yield _deliveries(plan.topics, outcome)
    yield _connections(plan, outcome)


@dataclass(frozen=True, slots=True)
class _Step:
    """What was counted in some `seconds`, the middle of which was at that moment of the run."""

    moment: float
    seconds: float
    tally: Tally


def _steps(outcome: Outcome) -> list[_Step]:
    """Return the steps of the run until the last answer or delivery."""
    length, steps = outcome.course.step, []
    for index, point in enumerate(outcome.course.points):
        seconds = min(point.seconds, outcome.elapsed - index * length)
        if seconds > 0:
            steps.append(_Step(index * length + min(length, seconds) / 2, seconds, point.tally))
    return steps


def _whole_steps(outcome: Outcome) -> list[_Step]:
    """Return the steps that are long enough for rates and shares: the last is often not."""
    steps = _steps(outcome)
    return [step for step in steps if step.seconds >= _LEAST_SHARE * outcome.course.step] or steps


def _time_axis(outcome: Outcome, least: float = 0.0) -> Axis:
    most = max(outcome.elapsed, least + 0.1)
    return Axis(Linear(least, most), "seconds since the first was due", lambda value: f"{value:g}")


def _times_axis(values: Sequence[float]) -> Axis:
    return Axis(scale_of_times(values), "", write_time)


def write_time(seconds: float) -> str:
    """Write a time at an axis.

    >>> write_time(0.0), write_time(0.00025), write_time(0.005), write_time(2.0)
    ('0', '0.25 ms', '5 ms', '2 s')
    """
    if seconds == 0:
        return "0"
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def _over_time(outcome: Outcome, title: str, about: str, times: Times) -> Plot:
    rows = [(step.moment, _marks_of(times(step.tally))) for step in _steps(outcome)]
    lines = [
        Line(name, color, [(moment, marks[index] if marks else None) for moment, marks in rows])
        for index, (name, color, _) in enumerate(_MARKS)
    ]
    names = [name for name, _, _ in _MARKS]
    hints = [
        (moment, _hint(moment, zip(names, map(describe_elapsed, marks or ()), strict=False))) for moment, marks in rows
    ]
    values = [value for _, marks in rows for value in marks or ()]
    return Plot(title, about, _time_axis(outcome), _times_axis(values), lines, hints=hints)


def _marks_of(times: Histogram) -> tuple[float, ...] | None:
    return tuple(times.percentile(percent) for _, _, percent in _MARKS) if times.count else None


def _hint(moment: float, values: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"{moment:.1f} s", *(f"{name}: {value}" for name, value in values)])


def _by_percentile(title: str, curves: Sequence[tuple[str, Histogram]]) -> Plot:
    lines = [
        Line(name, color, [(step.percent, step.seconds) for step in percentile_steps(times) if step.percent < 100])
        for (name, times), color in zip(curves, ("c1", "c2"), strict=False)
    ]
    points = [point for line in lines for point in line.points]
    hints = [(percent, f"{percent:.6g} %\n{lines[0].name}: {_say_time(value)}") for percent, value in lines[0].points]
    about = "So many of a hundred took no longer."
    x = Axis(Tail(max(90.0, *(percent for percent, _ in points))), "percentile", lambda value: f"{value:.10g} %")
    y = Axis(scale_from_zero(value or 0.0 for _, value in points), "", write_time)
    return Plot(title, about, x, y, lines, hints=hints)


def _say_time(seconds: float | None) -> str:
    return "" if seconds is None else describe_elapsed(seconds)


def _rates(outcome: Outcome) -> Plot:
    counts: Counts = [
        ("sent", "c4", lambda tally: tally.sent),
        ("results", "c1", lambda tally: tally.results),
        ("errors", "c2", lambda tally: tally.errors.total() + tally.faults),
        ("lost", "c3", lambda tally: tally.lost),
        ("wrong or doubled", "c5", lambda tally: tally.wrong.total() + tally.doubled),
    ]
    return _rates_of(outcome, "Requests per second", "Sent, and what became of them.", counts)


def _deliveries(topics: TopicPlan, outcome: Outcome) -> Plot:
    audience = topics.subscribers / topics.topics
    counts: Counts = [
        ("delivered", "c1", lambda tally: tally.topics.delivered),
        ("due", "c4", lambda tally: tally.topics.published * audience),
        ("doubled", "c2", lambda tally: tally.topics.doubled),
        ("out of order", "c3", lambda tally: tally.topics.reordered),
        ("wrong", "c5", lambda tally: tally.topics.wrong.total()),
    ]
    return _rates_of(outcome, "Deliveries per second", "Due is what was published, to each of its subscribers.", counts)


def _rates_of(outcome: Outcome, title: str, about: str, counts: Counts) -> Plot:
    steps = _whole_steps(outcome)
    # What never happened has no line; but something is to be seen.
    shown = [each for each in counts if any(each[2](step.tally) for step in steps)] or counts[:1]
    lines = [
        Line(name, color, [(step.moment, count(step.tally) / step.seconds) for step in steps], name in _DASHED)
        for name, color, count in shown
    ]
    hints = [
        (
            step.moment,
            _hint(step.moment, ((name, f"{count(step.tally) / step.seconds:,.1f}/s") for name, _, count in shown)),
        )
        for step in steps
    ]
    y = Axis(scale_from_zero(value or 0.0 for line in lines for _, value in line.points), "", write_count)
    return Plot(title, about, _time_axis(outcome), y, lines, hints=hints)


def _cache_states(outcome: Outcome) -> Plot:
    steps = [step for step in _whole_steps(outcome) if step.tally.results]
    below = [0.0] * len(steps)
    bands = []
    others = sorted(outcome.tally.sources.keys() - _SOURCES.keys())
    for source, color in [*_SOURCES.items(), *((other, "c5") for other in others)]:
        if not outcome.tally.sources[source]:
            continue
        shares = [100 * step.tally.sources[source] / step.tally.results for step in steps]
        above = [low + part for low, part in zip(below, shares, strict=True)]
        points = [(step.moment, low, high) for step, low, high in zip(steps, below, above, strict=True)]
        bands.append(Band(source, color, _stretch(points, outcome.elapsed)))
        below = above
    hints = [(step.moment, _hint(step.moment, _say_shares(step.tally))) for step in steps]
    y = Axis(Linear(0.0, 100.0), "", lambda value: f"{value:g} %")
    about = "Of each second's results, how many came fresh from a cache, stale, or were computed."
    return Plot("Cache", about, _time_axis(outcome), y, bands=bands, hints=hints)


def _stretch(points: list[tuple[float, float, float]], until: float) -> list[tuple[float, float, float]]:
    """Have a band begin and end with the run, not in the middle of its first and last step."""
    return [(0.0, *points[0][1:]), *points, (until, *points[-1][1:])]


def _say_shares(tally: Tally) -> list[tuple[str, str]]:
    total = tally.results
    return [(name, f"{count:,} ({100 * count / total:.1f} %)") for name, count in sorted(tally.sources.items())]


def _under_way(outcome: Outcome) -> Plot:
    count, points = 0, [(0.0, 0.0)]
    for step in _steps(outcome):
        tally = step.tally
        count += tally.sent - tally.results - tally.errors.total() - tally.lost
        points.append((step.moment + step.seconds / 2, float(count)))
    hints = [(moment, f"{moment:.1f} s\n{value:,.0f} under way") for moment, value in points]
    y = Axis(scale_from_zero(value for _, value in points), "", write_count)
    about = "Sent and not answered yet, at the end of each second. What grows here is more than the service can do."
    line = Line("under way", "c1", points)
    return Plot("Requests under way", about, _time_axis(outcome), y, [line], hints=hints)


def _connections(plan: Plan, outcome: Outcome) -> Plot:
    ramp_seconds = sum(point.seconds for point in outcome.ramp.points)
    points, count, moment = [(-ramp_seconds, 0.0)], 0, -ramp_seconds
    for point in outcome.ramp.points:
        moment, count = moment + point.seconds, count + point.tally.opened - point.tally.closed
        points.append((moment, float(count)))
    for index, point in enumerate(outcome.course.points):
        count += point.tally.opened - point.tally.closed
        points.append((min((index + 1) * outcome.course.step, outcome.elapsed), float(count)))
    hints = [(moment, f"{moment:.1f} s\n{value:,.0f} open") for moment, value in points]
    y = Axis(scale_from_zero([float(plan.all_connections)]), "", write_count)
    about = f"Opened at {plan.connect_rate:g} a second; load begins when all have been tried."
    line = Line("open", "c1", points)
    marks = [(0.0, "load begins")]
    return Plot("Connections", about, _time_axis(outcome, -ramp_seconds), y, [line], marks=marks, hints=hints)


def write_count(value: float) -> str:
    """Write a number at an axis.

    >>> write_count(0.5), write_count(2500.0), write_count(2500000.0)
    ('0.5', '2,500', '2.5 M')
    """
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,.6g}"
