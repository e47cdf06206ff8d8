"""What `pushaside plan` finds out about a load."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pushaside_tools.plan import quotas
from pushaside_tools.plan.advice import advise, request_increase
from pushaside_tools.plan.loads import Load, flow_of
from pushaside_tools.plan.planning import Check, DeploymentPlan, Verdict, make_plan
from pushaside_tools.plan.quotas import Quota
from pushaside_tools.plan.report import describe_plan, dollars_by_service, plan_document

TEMPLATE = (Path(__file__).parents[3] / "template.yaml").read_text()
SMALL = Load(10, 100)
FULL = Load(10_000, 10_000)


def check(plan: DeploymentPlan, quota: Quota) -> Check:
    return next(each for each in [*plan.quotas, *plan.parameters] if each.quota is quota)


def test_a_small_load_is_within_all_quotas_and_needs_nothing() -> None:
    plan = make_plan(SMALL)

    assert {each.verdict for each in [*plan.quotas, *plan.parameters]} == {Verdict.WITHIN}
    assert all(request_increase(each) is None for each in plan.quotas)
    assert advise(plan) == ["100 clients take 0.2 s to connect at 500/s."]


def test_hits_alone_can_be_all_of_the_accounts_quota() -> None:
    plan = make_plan(replace(FULL, hit_ratio=1.0))

    assert check(plan, quotas.MESSAGE_RATE).verdict is Verdict.MEETS
    assert advise(plan)[0].startswith("10,000 requests/s is the account's whole default quota")


def test_pushes_of_misses_come_on_top_of_requests() -> None:
    plan = make_plan(FULL)
    messages = check(plan, quotas.MESSAGE_RATE)

    assert (messages.needed, messages.verdict) == (pytest.approx(10_500), Verdict.EXCEEDS)
    assert request_increase(messages) == (
        "aws service-quotas request-service-quota-increase --service-code apigateway --quota-code L-8A5B8E43 "
        "--desired-value 16000"
    )


def test_environments_are_rate_times_duration() -> None:
    plan = make_plan(replace(FULL, compute_ms=200))
    needs = {need.name: need for need in plan.functions}

    assert needs["request"].concurrency == pytest.approx(10_000 * 0.005)
    assert needs["compute"].concurrency == pytest.approx(500 * 0.2)
    assert check(plan, quotas.COMPUTE_CONCURRENCY).verdict is Verdict.EXCEEDS
    assert needs["request"].seconds_to_scale == pytest.approx(10)
    assert plan.seconds_until_computing == pytest.approx(95 / 5)


def test_short_functions_are_bound_by_ten_invocations_for_each_concurrency() -> None:
    plan = make_plan(FULL)

    assert check(plan, quotas.CONCURRENCY).verdict is Verdict.WITHIN
    assert check(plan, quotas.INVOCATION_RATE).verdict is Verdict.EXCEEDS
    assert (request_increase(check(plan, quotas.INVOCATION_RATE)) or "").endswith("L-B99A9384 --desired-value 1600")


def test_callers_who_wait_together_are_one_compute_and_a_push_each() -> None:
    alone, together = flow_of(FULL), flow_of(replace(FULL, callers_per_miss=10))

    assert together.computes == pytest.approx(alone.computes / 10)
    assert together.pushes == pytest.approx(alone.pushes)


def test_an_update_is_a_push_to_each_subscriber() -> None:
    plan = make_plan(Load(0, 100_000, subscribers=100_000, updates_per_second=0.2))

    assert plan.flow.pushes == pytest.approx(20_000)
    assert check(plan, quotas.MESSAGE_RATE).verdict is Verdict.EXCEEDS
    assert check(plan, quotas.MESSAGE_BURST).verdict is Verdict.EXCEEDS
    assert any("One update to 100,000 subscribers takes at least 10 s" in sentence for sentence in advise(plan))


def test_who_says_nothing_pings_and_who_asks_often_does_not() -> None:
    assert flow_of(Load(0, 5400)).pings == pytest.approx(10)
    assert flow_of(Load(100, 5400)).pings == 0


def test_connecting_takes_as_long_as_the_quota_makes_it() -> None:
    plan = make_plan(Load(0, 1_000_000))

    assert plan.seconds_to_connect == 2000
    assert any("1,000,000 clients take 33 min to connect" in sentence for sentence in advise(plan))


def test_hits_in_chunks_are_pushed_and_links_are_not() -> None:
    chunked, linked = flow_of(replace(FULL, result_bytes=300_000)), flow_of(replace(FULL, result_bytes=3_000_000))

    assert chunked.queued_pushes == pytest.approx(9_500 * chunked.form.messages)
    assert linked.queued_pushes == 0


def test_traffic_of_half_the_day_costs_half_and_standing_still_the_same() -> None:
    whole, half = (dollars_by_service(make_plan(replace(SMALL, hours_per_day=hours))) for hours in (24, 12))

    assert half["API Gateway"] == pytest.approx(whole["API Gateway"] / 2)
    assert half["VPC"] == whole["VPC"]


def test_the_sum_is_that_of_the_lines() -> None:
    plan = make_plan(FULL)

    assert sum(dollars_by_service(plan).values()) == pytest.approx(plan.dollars_per_month)
    assert plan_document(plan)["dollars_per_month"] == round(plan.dollars_per_month, 2)


def test_it_can_be_read_without_a_terminal() -> None:
    text = describe_plan(make_plan(FULL))

    assert "MessagesPerSecond" in text
    assert "set 15,000" in text
    assert text.count("request-service-quota-increase") == 2


@pytest.mark.parametrize("text", ["3,600,000", "600"])
def test_sizes_near_a_quota_say_so(text: str) -> None:
    clients = int(text.replace(",", ""))
    verdict = check(make_plan(Load(0, clients)), quotas.NEW_CONNECTIONS).verdict

    assert verdict is (Verdict.MEETS if clients == 3_600_000 else Verdict.WITHIN)


@pytest.mark.parametrize(
    "quota",
    [
        quotas.ROUTE_RATE,
        quotas.COMPUTE_CONCURRENCY,
        quotas.DELIVERY_CONCURRENCY,
        quotas.CACHE_UNITS,
        quotas.CACHE_GIGABYTES,
    ],
    ids=lambda quota: quota.parameter,
)
def test_the_limits_of_the_template_are_its_defaults(quota: Quota) -> None:
    parameter = TEMPLATE.partition(f"\n  {quota.parameter}:\n")[2]

    assert re.search(r"Default: (\d+)", parameter).group(1) == f"{quota.limit:.0f}"
