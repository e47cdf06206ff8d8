"""The texts of a run: a line while it lasts, and at its end a JSON document or lines for people."""

from __future__ import annotations

from pushaside.cli.output import describe_elapsed, milliseconds
from pushaside_tools.load.fleet import Outcome
from pushaside_tools.load.histogram import Histogram
from pushaside_tools.load.plan import Plan, TopicPlan
from pushaside_tools.load.tally import Tally, TopicTally

_PERCENTILES = (50.0, 75.0, 90.0, 99.0, 99.9)
_BUSY = 0.9
"""A generator that uses this share of its CPUs or more is the bottleneck, and measures itself."""


def describe_second(seconds: float, recent: Tally, total: Tally) -> str:
    """Describe the progress of a run in a line.

    >>> recent = Tally()
    >>> recent.sources["hit"] += 300
    >>> recent.latency.record(0.0034)
    >>> describe_second(1.5, recent, Tally(opened=100))
    '100 connections · 200/s · p50 3.4 ms · p99 3.4 ms · errors 0 · lost 0 · doubled 0 · wrong 0'
    """
    rate = recent.results / seconds
    p50, p99 = (describe_elapsed(recent.latency.percentile(percent)) for percent in (50, 99))
    connections = f"{total.opened - total.closed:,} connections"
    parts = [f"{connections} · {rate:,.0f}/s · p50 {p50} · p99 {p99} · {_describe_flaws(total)}"]
    if total.topics.published:
        delivered = f"{recent.topics.delivered / seconds:,.0f} deliveries/s"
        parts.append(f"{delivered} · {describe_feed_flaws(total.topics)}")
    return " · ".join(parts)


def live_rows(seconds: float, recent: Tally, total: Tally) -> list[tuple[str, str, str, bool]]:
    """Return the rows of the live table: name, last second, total, and whether the row is a flaw.

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
    rows += [(name, f"{last:,}", f"{whole:,}", whole > 0) for name, last, whole in flaws]
    return rows + _live_topic_rows(seconds, recent.topics, total.topics) if total.topics.subscribed else rows


def _live_topic_rows(seconds: float, recent: TopicTally, total: TopicTally) -> list[tuple[str, str, str, bool]]:
    rows = [
        ("published", f"{recent.published / seconds:,.0f}/s", f"{total.published:,}", False),
        ("delivered", f"{recent.delivered / seconds:,.0f}/s", f"{total.delivered:,}", False),
    ]
    for percent in (50, 99):
        times = [
            describe_elapsed(each.delivery.percentile(percent)) if each.delivered else "" for each in (recent, total)
        ]
        rows.append((f"delivery p{percent}", times[0], times[1], False))
    flaws = [
        ("messages lost", recent.lost, total.lost),
        ("messages doubled", recent.doubled, total.doubled),
        ("out of order", recent.reordered, total.reordered),
        ("messages wrong", recent.wrong.total(), total.wrong.total()),
    ]
    return rows + [(name, f"{last:,}", f"{whole:,}", whole > 0) for name, last, whole in flaws]


def load_document(plan: Plan, outcome: Outcome) -> dict[str, object]:
    """Return the document of `--json` for a run."""
    tally = outcome.tally
    return {
        "type": "load",
        "url": plan.url,
        "model": model_of(plan),
        "rate": plan.rate,
        "concurrency": plan.concurrency if model_of(plan) == "closed" else None,
        "compute": plan.compute,
        "keys": None if plan.cold_share == 1 else plan.keys,
        "cold_share": plan.cold_share,
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
        "channels": _topics(plan.topics, outcome) if plan.topics else None,
    }


def describe_outcome(plan: Plan, outcome: Outcome) -> str:
    """Describe the outcome of a run in lines."""
    tally = outcome.tally
    lines = _describe_requests(plan, outcome) if plan.connections else []
    if plan.topics is not None:
        lines += _describe_topics(outcome)
    lines += [f"  {count:,} of: {name}" for name, count in tally.refused.most_common()]
    return "\n".join([*lines, *_warnings(plan, outcome)])


def _describe_requests(plan: Plan, outcome: Outcome) -> list[str]:
    tally = outcome.tally
    sources = " · ".join(f"{name} {count:,}" for name, count in sorted(tally.sources.items()))
    lines = [
        f"{tally.results:,} results in {outcome.elapsed:.1f} s · {results_per_second(outcome):,.0f}/s · {sources}",
        f"latency    {_describe_times(tally.latency)}",
    ]
    if plan.rate is not None:
        lines.append(f"since sent {_describe_times(tally.since_sent)}")
    lines.append(_describe_flaws(tally))
    for counts in (tally.errors, tally.wrong):
        lines += [f"  {count:,} of: {name}" for name, count in counts.most_common()]
    return lines


def _describe_topics(outcome: Outcome) -> list[str]:
    tally = outcome.tally.topics
    rate = f"{deliveries_per_second(outcome):,.0f}/s"
    subscribers = f"{tally.subscribed:,} subscribers · {tally.confirmed:,} of {tally.published:,} published"
    lines = [
        f"{tally.delivered:,} deliveries in {outcome.elapsed:.1f} s · {rate} · {subscribers}",
        f"delivery   {_describe_times(tally.delivery)}",
        f"publishing {_describe_times(tally.publishing)}",
        describe_feed_flaws(tally),
    ]
    for counts in (tally.errors, tally.wrong):
        lines += [f"  {count:,} of: {name}" for name, count in counts.most_common()]
    return lines


def model_of(plan: Plan) -> str | None:
    """Return the model of the requests: "open" at a rate, "closed" with a fixed number under way; None without any."""
    if not plan.connections:
        return None
    return "closed" if plan.rate is None else "open"


def is_silent(plan: Plan, tally: Tally) -> bool:
    """Return whether no request ended in a result, or no message was delivered, although the plan has some."""
    has_results = tally.results > 0 or not plan.connections
    has_deliveries = tally.topics.delivered > 0 or plan.topics is None
    return not (has_results and has_deliveries)


def deliveries_per_second(outcome: Outcome) -> float:
    """Return the deliveries per second, up to the last delivery."""
    return outcome.tally.topics.delivered / outcome.elapsed if outcome.elapsed else 0.0


def percentiles(times: Histogram) -> dict[str, float]:
    """Return the figures of a histogram in milliseconds.

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
    """Return the results per second, up to the last answer."""
    return outcome.tally.results / outcome.elapsed if outcome.elapsed else 0.0


def generator_cpu(plan: Plan, outcome: Outcome) -> float:
    """Return the share of a CPU that each process of the generator used while it sent and waited."""
    return outcome.cpu_seconds / outcome.elapsed / plan.processes if outcome.elapsed else 0.0


def _connections(plan: Plan, tally: Tally) -> dict[str, object]:
    return {
        "planned": plan.all_connections,
        "opened": tally.opened,
        "refused": dict(tally.refused),
        "closed_early": tally.closed,
        "open_ms": percentiles(tally.connecting),
    }


def _topics(plan: TopicPlan, outcome: Outcome) -> dict[str, object]:
    tally = outcome.tally.topics
    return {
        "subscribers": plan.subscribers,
        "subscribed": tally.subscribed,
        "topics": plan.topics,
        "publishers": plan.publishers,
        "publish_rate": plan.rate,
        "publish_size": plan.size,
        "published": tally.published,
        "unsent": tally.unsent,
        "confirmed": tally.confirmed,
        "unconfirmed": tally.unconfirmed,
        "delivered": tally.delivered,
        "deliveries_per_second": round(deliveries_per_second(outcome), 1),
        "errors": dict(tally.errors),
        "lost": tally.lost,
        "skipped": tally.skipped,
        "doubled": tally.doubled,
        "out_of_order": tally.reordered,
        "wrong": tally.wrong.total(),
        "wrong_because": dict(tally.wrong),
        "received_bytes": tally.received_bytes,
        "delivery_ms": percentiles(tally.delivery),
        "publishing_ms": percentiles(tally.publishing),
    }


def _describe_times(times: Histogram) -> str:
    marks = [f"p{percent:g} {describe_elapsed(times.percentile(percent))}" for percent in _PERCENTILES]
    return " · ".join([*marks, f"max {describe_elapsed(times.most)}"])


def _describe_flaws(tally: Tally) -> str:
    errors = tally.errors.total() + tally.faults
    return f"errors {errors:,} · lost {tally.lost:,} · doubled {tally.doubled:,} · wrong {tally.wrong.total():,}"


def describe_feed_flaws(tally: TopicTally) -> str:
    """Describe in a line what went wrong with messages.

    >>> describe_feed_flaws(TopicTally(lost=2))
    'messages: errors 0 · lost 2 · doubled 0 · out of order 0 · wrong 0'
    """
    counts = f"lost {tally.lost:,} · doubled {tally.doubled:,} · out of order {tally.reordered:,}"
    return f"messages: errors {tally.errors.total():,} · {counts} · wrong {tally.wrong.total():,}"


def _warnings(plan: Plan, outcome: Outcome) -> list[str]:
    tally = outcome.tally
    warnings = []
    if tally.unsent:
        warnings.append(f"{tally.unsent:,} requests could not be sent in time: the load was lower than planned.")
    if tally.topics.unsent:
        warnings.append(f"{tally.topics.unsent:,} messages could not be published in time.")
    if tally.topics.unconfirmed:
        warnings.append(f"{tally.topics.unconfirmed:,} published messages were not answered.")
    if tally.opened < plan.all_connections or tally.closed:
        opened = f"{tally.opened:,} of {plan.all_connections:,} connections opened"
        warnings.append(f"{opened}, {tally.closed:,} were lost.")
    if generator_cpu(plan, outcome) > _BUSY:
        warnings.append("The generator was busy all the time, so it measured itself: use more --processes.")
    return warnings
