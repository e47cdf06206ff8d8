"""The prices of `pushaside plan` and those of docs/cost.md are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pushaside_tools.plan import prices
from pushaside_tools.plan.billing import pings_per_second, queued_calls, units_of
from pushaside_tools.plan.costs import (
    ALARMS,
    SECRETS,
    WRITES_PER_CONNECTION,
    billed_messages,
    bytes_out,
    cache_units,
    costs_of,
)
from pushaside_tools.plan.functions import functions_for
from pushaside_tools.plan.loads import Load, flow_of

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "cost.md").read_text()
TEMPLATE = (ROOT / "template.yaml").read_text()
MONTH_SECONDS = 730 * 3600
DELIVERIES = PAGE.partition("| result | form | bytes out |")[2].split("\n\n", 1)[0].splitlines()[2:]
MILLION = 1e6


def cells(line: str) -> list[str]:
    return [cell.strip().strip("*") for cell in line.split("|")[1:-1]]


def row(name: str) -> list[str]:
    """The cells of the row of the page that begins so, without its name."""
    return next(cells(line)[1:] for line in PAGE.splitlines() if line.startswith(f"| {name}"))


def delivery_dollars(size_bytes: float, units: int, fetched_bytes: float | None) -> float:
    """A million deliveries on their way out: units, bytes, and the fetch if it is a link."""
    fetch = 0.0 if fetched_bytes is None else prices.OBJECT_READS.of(MILLION)
    out = prices.EGRESS.dollars * (size_bytes + (fetched_bytes or 0.0)) * MILLION / prices.GIGABYTE
    return prices.MESSAGES.of(units * MILLION) + out + fetch


@pytest.mark.parametrize("line", DELIVERIES)
def test_each_delivery_costs_what_the_page_says(line: str) -> None:
    _, form, size, units, dollars = cells(line)
    sent, *fetched = [float(part.replace(",", "")) for part in size.split(" + ")]
    if "chunks" not in form:
        assert units_of(sent) == int(units)

    assert f"{delivery_dollars(sent, int(units), fetched[0] if fetched else None):.2f}" == dollars


@pytest.mark.parametrize(("column", "sent_kilobytes", "cached_kilobytes"), [(1, 1, 1), (2, 45, 34), (3, 113, 113)])
def test_a_million_hits_cost_what_the_page_says(column: int, sent_kilobytes: int, cached_kilobytes: int) -> None:
    out = units_of(sent_kilobytes * 1000)
    parts = {
        "message in": prices.MESSAGES.of(MILLION),
        "answer out": prices.MESSAGES.of(out * MILLION),
        "invocation": prices.INVOCATIONS.of(MILLION),
        "its time": prices.GIGABYTE_SECONDS.of(0.5 * 0.005 * MILLION),
        "cache read": prices.CACHE_UNITS.of(cached_kilobytes * MILLION),
        "out of AWS": prices.EGRESS.of(sent_kilobytes * 1000 * MILLION),
    }

    for name, dollars in parts.items():
        assert f"{dollars:.2f}" == row(name)[column], name
    assert f"{sum(parts.values()):.1f}" == row("**sum**")[column]


def test_a_plan_of_a_million_hits_is_made_of_the_same_parts() -> None:
    load = Load(1, 0, hit_ratio=1, result_bytes=45_000 - 181, cached_bytes=34_000)
    flow = flow_of(load)

    assert billed_messages(load, flow) == 1 + 2
    assert bytes_out(load, flow) == 45_000
    assert cache_units(load, flow) == 34
    (need,) = functions_for(load, flow)
    assert (need.name, need.milliseconds, need.memory_megabytes) == ("request", 5, 512)


def test_the_prices_of_the_page_are_those_of_the_table() -> None:
    assert row("message in")[0] == f"{prices.MESSAGES.dollars:.2f} per million"
    assert row("invocation")[0] == f"{prices.INVOCATIONS.dollars:.2f} per million"
    assert row("its time")[0] == f"{prices.GIGABYTE_SECONDS.dollars:.10f} per GB-s"
    assert row("cache read")[0] == f"{prices.CACHE_UNITS.dollars} per million units of 1 KB"
    assert row("out of AWS")[0] == f"{prices.EGRESS.dollars} per GB"


def test_a_million_misses_are_made_of_the_parts_that_the_page_names() -> None:
    misses = " ".join(
        PAGE.partition("## A million misses")[2].partition("## ")[0].replace("\N{MULTIPLICATION SIGN}", "x").split()
    )

    assert f"(2 x {prices.QUEUE_CALLS.of(queued_calls(MILLION)):.2f} = 0.96)" in misses
    assert f"= {prices.GIGABYTE_SECONDS.of(0.1 * MILLION):.2f})" in misses
    assert f"5 x {prices.OBJECT_READS.of(MILLION):.2f} = 2.00" in misses


def test_standing_still_costs_what_the_page_says() -> None:
    idle = Load(0, 0)
    standing = sum(cost.dollars for cost in costs_of(idle, flow_of(idle), []))
    assert round(standing, 2) == round(sum(figures_of("| per month of 730 hours | |")), 2) == 24.43


def test_a_nat_gateway_costs_what_the_pages_and_the_template_say() -> None:
    nat = costs_of(Load(0, 0, nat_gateway=True), flow_of(Load(0, 0)), [])
    without = costs_of(Load(0, 0), flow_of(Load(0, 0)), [])
    dollars = sum(cost.dollars for cost in nat) - sum(cost.dollars for cost in without)

    assert round(dollars, 2) == round(sum(figures_of("| per month of 730 hours | with `NatGateway` |")), 2) == 36.50
    assert "It costs 36.50 dollars a month and 0.045 a gigabyte (us-east-1, 2026-09)" in TEMPLATE
    assert "36.50 dollars a month and 0.045 a GB" in (ROOT / "docs" / "deploy.md").read_text()


def figures_of(head: str) -> list[float]:
    """The figures of the table of the page with this head, without the sum."""
    table = PAGE.partition(head)[2].partition("\n\n")[0]
    return [float(text) for text in re.findall(r"\| ([\d.]+) \|$", table, re.MULTILINE)]


def test_clients_that_only_hold_their_connections_cost_what_the_page_says() -> None:
    clients, minutes = 10_000, 43_800
    pings = pings_per_second(clients, 10_000) * minutes * 60

    assert prices.CONNECTION_MINUTES.of(clients * minutes) == pytest.approx(109.50)
    assert prices.MESSAGES.of(2 * pings) == pytest.approx(97.33, abs=0.01)
    assert prices.WRITE_UNITS.of(WRITES_PER_CONNECTION * MILLION) == 1.25


def test_subscribers_to_whom_nothing_comes_cost_what_the_page_says() -> None:
    pings = flow_of(Load(0, 10_000, subscribers=10_000)).pings * MONTH_SECONDS

    assert prices.MESSAGES.of(2 * pings) == pytest.approx(438)
    assert flow_of(Load(0, 10_000, subscribers=10_000, updates_per_second=1 / 60)).pings == 0


def test_the_alarms_and_secrets_are_those_of_the_template() -> None:
    types = re.findall(r"^    Type: (\S+)$", TEMPLATE, re.MULTILINE)

    assert (types.count("AWS::CloudWatch::Alarm"), types.count("AWS::SecretsManager::Secret")) == (ALARMS, SECRETS)


def test_watching_costs_what_the_page_says() -> None:
    assert prices.LOG_BYTES.of(1000 * MILLION) == 0.50
    assert prices.TRACES.of(MILLION / 20) == 0.25


def test_ten_thousand_requests_a_second_cost_what_the_page_says() -> None:
    load = Load(10_000, 10_000, hit_ratio=1.0, result_bytes=1000)
    flow = flow_of(load)
    (messages,) = [cost for cost in costs_of(load, flow, functions_for(load, flow)) if cost.what == "messages"]

    assert "alone are about 42,000 for 1 KB answers" in " ".join(PAGE.split())
    assert round(messages.dollars, -3) == 42_000


@pytest.mark.parametrize(("quantity", "dollars"), [(5e8, 500), (1e9, 1000), (3e9, 2600)])
def test_beyond_a_billion_messages_are_cheaper(quantity: float, dollars: float) -> None:
    assert prices.MESSAGES.of(quantity) == pytest.approx(dollars)


def test_every_price_names_its_page() -> None:
    every = [each for each in vars(prices).values() if isinstance(each, prices.Price)]
    assert len(every) == 18
    assert all(price.page and price.unit and price.dollars > 0 for price in every)
