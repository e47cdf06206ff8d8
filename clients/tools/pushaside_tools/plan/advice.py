"""What a plan says in sentences: why a quota binds, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from pushaside_tools.plan import quotas
from pushaside_tools.plan.planning import Check, DeploymentPlan, Verdict, with_headroom
from pushaside_tools.plan.quotas import Quota

_LONG_CONNECTING_SECONDS = 10.0
_BURST_SECONDS = 10.0


def advise(plan: DeploymentPlan) -> list[str]:
    """Say what there is to know and to do, the most binding first."""
    return [*_about_messages(plan), *_about_connecting(plan), *_about_functions(plan), *_about_updates(plan)]


def request_increase(check: Check) -> str | None:
    """Write the command that asks AWS for more; None if Service Quotas does not have the quota, or it need not be."""
    if check.ask_for is None or not check.quota.code:
        return None
    return (
        f"aws service-quotas request-service-quota-increase --service-code {check.quota.service} "
        f"--quota-code {check.quota.code} --desired-value {_increase_for(check)}"
    )


def _increase_for(check: Check) -> int:
    # Invocations are bounded by the quota of concurrency: ten a second for each.
    wanted = with_headroom(check.needed)
    return with_headroom(check.needed / 10) if check.quota is quotas.INVOCATION_RATE else wanted


def _about_messages(plan: DeploymentPlan) -> Iterator[str]:
    check = _check(plan, quotas.MESSAGE_RATE)
    if check.verdict is Verdict.WITHIN:
        return
    load, flow = plan.load, plan.flow
    own = Check(quotas.MESSAGE_RATE, load.requests_per_second)
    limit = f"{quotas.MESSAGE_RATE.limit:,.0f}"
    if own.verdict is Verdict.MEETS:
        yield f"{limit} requests/s is the whole of the account's default quota, shared by all its APIs and all pushes."
    elif own.verdict is Verdict.EXCEEDS:
        yield f"{load.requests_per_second:,.0f} requests/s are more than the account's default quota of {limit}/s."
    if flow.pushes:
        yield (
            f"Pushes count as well: {flow.pushes:,.0f}/s of them make it {check.needed:,.0f}/s. The answer to a hit "
            "does not: it is the response of its route."
        )
    yield f"Ask for {check.ask_for:,} requests/s, with a burst to match. {quotas.SMALL_REGIONS}"


def _about_connecting(plan: DeploymentPlan) -> Iterator[str]:
    clients, limit = plan.load.connections, quotas.NEW_CONNECTIONS.limit
    took = f"{clients:,} clients take {describe_seconds(plan.seconds_to_connect)} to connect at {limit:,.0f}/s"
    if plan.seconds_to_connect > _LONG_CONNECTING_SECONDS:
        yield (
            f"{took}, the first time and whenever all have been cut off; they try again with full jitter meanwhile. "
            "Ask for more connections/s if that is too long."
        )
    elif clients:
        yield f"{took}."
    check = _check(plan, quotas.NEW_CONNECTIONS)
    if check.verdict is not Verdict.WITHIN:
        yield (
            f"Connections last two hours, so {check.needed:,.0f} of them are made anew each second: that is "
            f"{check.share:.0%} of the quota. Ask for {check.ask_for:,}/s."
        )


def _about_functions(plan: DeploymentPlan) -> Iterator[str]:
    rate, busy = _check(plan, quotas.INVOCATION_RATE), _check(plan, quotas.CONCURRENCY)
    if rate.verdict is not Verdict.WITHIN and rate.share >= busy.share:
        yield (
            f"Only {busy.needed:,.0f} environments are busy at once, but Lambda allows ten invocations a second for "
            f"each of the account's concurrency: {rate.needed:,.0f}/s need more of it. Ask for "
            f"{with_headroom(rate.needed / 10):,}."
        )
    elif busy.verdict is not Verdict.WITHIN:
        yield f"All functions need {busy.needed:,.0f} environments at once. Ask for a concurrency of {busy.ask_for:,}."
    slowest = max(plan.functions, key=lambda need: need.seconds_to_scale, default=None)
    if slowest is not None and slowest.seconds_to_scale >= _BURST_SECONDS:
        yield (
            f"Lambda adds 1,000 environments or 10,000 requests/s to a function in 10 s, so from nothing "
            f"`{slowest.name}` takes {describe_seconds(slowest.seconds_to_scale)}: let the load grow, or provision "
            "concurrency."
        )
    if plan.seconds_until_computing >= _BURST_SECONDS:
        yield (
            f"The compute queue is read by {quotas.FIRST_BATCHES} environments at first, and by "
            f"{quotas.BATCHES_PER_MINUTE} more each minute: from nothing it takes "
            f"{describe_seconds(plan.seconds_until_computing)} until enough compute."
        )


def _about_updates(plan: DeploymentPlan) -> Iterator[str]:
    burst = _check(plan, quotas.MESSAGE_BURST)
    if burst.verdict is not Verdict.WITHIN:
        seconds = burst.needed / quotas.MESSAGE_RATE.limit
        yield (
            f"One update to {burst.needed:,.0f} subscribers takes at least {describe_seconds(seconds)} at "
            f"{quotas.MESSAGE_RATE.limit:,.0f} pushes/s, and leaves nothing for requests meanwhile. What is throttled "
            "is pushed again, in order."
        )


def describe_seconds(seconds: float) -> str:
    """Say how long something takes.

    >>> describe_seconds(0.3), describe_seconds(20), describe_seconds(2000), describe_seconds(20_000)
    ('0.3 s', '20 s', '33 min', '5.6 h')
    """
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _check(plan: DeploymentPlan, quota: Quota) -> Check:
    return next(check for check in plan.quotas if check.quota is quota)
