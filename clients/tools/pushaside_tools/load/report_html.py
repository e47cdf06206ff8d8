"""The report of a run: one page of HTML without scripts, which loads no other file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

import orjson

from pushaside.cli.output import describe_elapsed
from pushaside_tools.load.fleet import Outcome
from pushaside_tools.load.histogram import Histogram
from pushaside_tools.load.plan import Plan, TopicPlan
from pushaside_tools.load.plots import draw
from pushaside_tools.load.report import (
    deliveries_per_second,
    generator_cpu,
    is_silent,
    load_document,
    model_of,
    results_per_second,
)
from pushaside_tools.load.report_plots import make_plots
from pushaside_tools.load.report_style import STYLE
from pushaside_tools.load.tally import Tally, TopicTally

_PERCENTILES = (50.0, 75.0, 90.0, 99.0, 99.9, 99.99)
_NOTHING = "none"

Row = tuple[str, str, bool]
"""A name, its value, and whether the row is a flaw."""


def write_report(plan: Plan, outcome: Outcome) -> str:
    """Return the page. The text of its element `document` is the document of `--json`."""
    tables = [
        _table("Counts", _count_rows(plan, outcome.tally)),
        f"<div>{_percentile_table(plan, outcome.tally)}{_table('Configuration', _plan_rows(plan, outcome))}</div>",
    ]
    document = orjson.dumps(load_document(plan, outcome)).decode().replace("<", "\\u003c")
    plots = "\n".join(draw(plot) for plot in make_plots(plan, outcome))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(_title(plan))}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{escape(_title(plan))}</h1>
<p>{escape(plan.url)} · {time.strftime("%Y-%m-%d %H:%M:%S %z")}</p>
{_verdict(plan, outcome)}
</header>
<main>
{_tiles(plan, outcome)}
<section class="plots">
{plots}
</section>
<section class="tables">
{"".join(tables)}
</section>
</main>
<script type="application/json" id="document">{document}</script>
</body>
</html>
"""


def _title(plan: Plan) -> str:
    parts = []
    if plan.rate is not None and plan.connections:
        parts.append(f"{plan.rate:g} requests/s")
    elif plan.connections:
        parts.append(f"{plan.concurrency:,} requests under way")
    if plan.topics is not None:
        parts.append(f"{plan.topics.rate:g} messages/s to {plan.topics.subscribers:,} subscribers")
    return f"Load: {' and '.join(parts)}, {plan.duration:g} s"


def _verdict(plan: Plan, outcome: Outcome) -> str:
    tally = outcome.tally
    errors = tally.errors.total() + tally.faults + tally.topics.errors.total()
    if tally.has_flaw:
        return '<p class="verdict bad">Some answers or messages were wrong or missing: see the counts.</p>'
    if is_silent(plan, tally):
        return '<p class="verdict bad">The service answered nothing.</p>'
    parts = []
    if plan.connections:
        parts.append(f"All {tally.results + tally.errors.total():,} answers were checked: none lost, doubled or wrong.")
    if plan.topics is not None:
        parts.append(f"{_count_subscribers(plan.topics, tally)} received every message once and in order.")
    if errors:
        parts.append(f"{errors:,} error{'' if errors == 1 else 's'}.")
    if tally.opened < plan.all_connections:
        parts.append(f"{plan.all_connections - tally.opened:,} connections were refused.")
    kind = "so" if errors or tally.opened < plan.all_connections else "good"
    return f'<p class="verdict {kind}">{" ".join(parts)}</p>'


def _count_subscribers(topics: TopicPlan, tally: Tally) -> str:
    if tally.topics.subscribed == topics.subscribers:
        return "Every subscriber"
    return f"{tally.topics.subscribed:,} of {topics.subscribers:,} subscribers"


def _tiles(plan: Plan, outcome: Outcome) -> str:
    tally = outcome.tally
    rows = []
    if plan.connections:
        hits = tally.sources["hit"] + tally.sources["stale"]
        share = f"{100 * hits / tally.results:.1f} %" if tally.results else _NOTHING
        rate = f"{results_per_second(outcome):,.0f}"
        rows.append([("results per second", rate), *_time_tiles("latency", tally.latency), ("from a cache", share)])
    if plan.topics is not None:
        rate = f"{deliveries_per_second(outcome):,.0f}"
        rows.append([("deliveries per second", rate), *_time_tiles("delivery", tally.topics.delivery)])
        rows[-1].append(("delivered", f"{tally.topics.delivered:,}"))
    return "\n".join(f'<section class="tiles">{"".join(map(_tile, row))}</section>' for row in rows)


def _tile(tile: tuple[str, str]) -> str:
    name, value = map(escape, tile)
    return f"<div><b>{value}</b><span>{name}</span></div>"


def _time_tiles(of: str, times: Histogram) -> list[tuple[str, str]]:
    return [
        (f"{of} {name}", describe_elapsed(times.percentile(percent)) if times.count else _NOTHING)
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100))
    ]


def _count_rows(plan: Plan, tally: Tally) -> Iterable[Row]:
    if plan.connections:
        yield "requests sent", f"{tally.sent:,}", False
        yield "requests with a result", f"{tally.results:,}", False
        yield from ((f"· {name}", f"{count:,}", False) for name, count in sorted(tally.sources.items()))
        yield from _several("errors", tally.errors)
        yield "API Gateway's own errors", f"{tally.faults:,}", tally.faults > 0
        yield from _flaws(("lost", tally.lost), ("late", tally.late), ("doubled", tally.doubled))
        yield from _several("wrong", tally.wrong)
        yield from _flaws(("unsent", tally.unsent))
    if plan.topics is not None:
        is_short = tally.topics.subscribed < plan.topics.subscribers
        yield "subscribed", f"{tally.topics.subscribed:,} of {plan.topics.subscribers:,}", is_short
        yield from _topic_rows(tally.topics)
    yield "connections opened", f"{tally.opened:,} of {plan.all_connections:,}", tally.opened < plan.all_connections
    yield from _several("connections refused", tally.refused)
    yield from _flaws(("connections lost", tally.closed))


def _topic_rows(tally: TopicTally) -> Iterable[Row]:
    yield "messages published", f"{tally.published:,}", False
    yield "· confirmed", f"{tally.confirmed:,}", False
    yield "messages delivered", f"{tally.delivered:,}", False
    yield from _several("errors of channels", tally.errors)
    yield from _flaws(
        ("messages lost", tally.lost),
        ("· skipped by resync", tally.skipped),
        ("messages doubled", tally.doubled),
        ("messages out of order", tally.reordered),
    )
    yield from _several("messages wrong", tally.wrong)
    yield from _flaws(("messages unconfirmed", tally.unconfirmed), ("messages unsent", tally.unsent))


def _flaws(*counts: tuple[str, int]) -> Iterable[Row]:
    return ((name, f"{count:,}", count > 0) for name, count in counts)


def _several(name: str, counts: Counter[str]) -> Iterable[Row]:
    yield name, f"{counts.total():,}", counts.total() > 0
    yield from ((f"· {each}", f"{count:,}", True) for each, count in counts.most_common())


def _plan_rows(plan: Plan, outcome: Outcome) -> Iterable[Row]:
    rows: list[tuple[str, object]] = [("url", plan.url), ("duration", f"{plan.duration:g} s")]
    if plan.connections:
        rows.append(("model", model_of(plan)))
        rows.append(("rate", f"{plan.rate:g}/s") if plan.rate else ("concurrency", f"{plan.concurrency:,}"))
        keys = "new keys only" if plan.cold_share == 1 else f"{plan.keys:,}, skew {plan.skew:g}"
        rows += [("connections", f"{plan.connections:,}"), ("compute", plan.compute), ("params", plan.params)]
        rows += [("keys", keys), ("cold share", f"{100 * plan.cold_share:g} %"), ("deadline", f"{plan.deadline:g} s")]
    if plan.topics is not None:
        rows += [
            ("subscribers", f"{plan.topics.subscribers:,}"),
            ("channels", f"{plan.topics.topics:,}, {plan.topics.channel}/…"),
            ("publishers", f"{plan.topics.publishers:,}"),
            ("publish rate", f"{plan.topics.rate:g}/s"),
            ("text in a message", f"{plan.topics.size:,} bytes"),
        ]
    rows += [("connect rate", f"{plan.connect_rate:g}/s"), ("processes", plan.processes)]
    rows.append(("CPU of each generator process", f"{100 * generator_cpu(plan, outcome):.0f} %"))
    return [(name, str(value), False) for name, value in rows]


def _table(title: str, rows: Iterable[Row]) -> str:
    lines = "".join(
        f'<tr{" class=flaw" if is_flaw else ""}><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value, is_flaw in rows
    )
    return f'<section class="card"><h3>{escape(title)}</h3><table>{lines}</table></section>'


def _percentile_table(plan: Plan, tally: Tally) -> str:
    columns: list[tuple[str, Histogram]] = []
    if plan.connections:
        columns += [("latency", tally.latency), ("since sent", tally.since_sent)][: 2 if plan.rate else 1]
    if plan.topics is not None:
        columns += [("delivery", tally.topics.delivery), ("publishing", tally.topics.publishing)]
    columns.append(("connecting", tally.connecting))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name, _ in columns)
    rows = [_row("mean", [times.mean for _, times in columns])]
    rows += [_row(f"p{percent:g}", [times.percentile(percent) for _, times in columns]) for percent in _PERCENTILES]
    rows.append(_row("max", [times.most for _, times in columns]))
    lines = f"<tr><td></td>{head}</tr>{''.join(rows)}"
    return f'<section class="card"><h3>Milliseconds</h3><table>{lines}</table></section>'


def _row(name: str, times: Sequence[float]) -> str:
    cells = "".join(f"<td>{seconds * 1000:,.2f}</td>" for seconds in times)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
