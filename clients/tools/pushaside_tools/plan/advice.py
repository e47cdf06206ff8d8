"""The advice of a plan: sentences that say why a quota binds and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from pushaside_tools.plan import quotas
from pushaside_tools.plan.planning import Check, DeploymentPlan, Verdict, with_headroom
from pushaside_tools.plan.quotas import Quota

_LONG_CONNECTING_SECONDS = 10.0
_BURST_SECONDS = 10.0


def advise(plan: DeploymentPlan) -> list[str]:
    """Return the sentences of advice, the most binding quota first."""
    return [*_about_messages(plan), *_about_connecting(plan), *_about_functions(plan), *_about_updates(plan)]


def request_increase(check: Check) -> str | None:
    """Return the command that requests an increase; None if none is needed or Service Quotas lacks the quota."""
    if check.ask_for is None or not check.quota.code:
        return None
    return (
        f"aws service-quotas request-service-quota-increase --service-code {check.quota.service} "
        f"--quota-code {check.quota.code} --desired-value {_increase_for(check)}"
    )


def _increase_for(check: Check) -> int:
    # The quota of concurrency bounds invocations: ten a second for each environment.
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
        yield f"{limit} requests/s is the account's whole default quota, which all its APIs and all pushes share."
    elif own.verdict is Verdict.EXCEEDS:
        yield f"{load.requests_per_second:,.0f} requests/s exceed the account's default quota of {limit}/s."
    if flow.pushes:
        yield (
            f"Pushes count too: with {flow.pushes:,.0f}/s of them the account needs {check.needed:,.0f}/s. Answers to "
            "hits do not count, because they are responses of the route."
        )
    yield f"Request a quota of {check.ask_for:,} requests/s, and a burst to match. {quotas.SMALL_REGIONS}"


def _about_connecting(plan: DeploymentPlan) -> Iterator[str]:
    clients, limit = plan.load.connections, quotas.NEW_CONNECTIONS.limit
    took = f"{clients:,} clients take {describe_seconds(plan.seconds_to_connect)} to connect at {limit:,.0f}/s"
    if plan.seconds_to_connect > _LONG_CONNECTING_SECONDS:
        yield (
            f"{took}, at first and after all have been disconnected. Clients retry with full jitter meanwhile. "
            "Request more connections/s if that is too long."
        )
    elif clients:
        yield f"{took}."
    check = _check(plan, quotas.NEW_CONNECTIONS)
    if check.verdict is not Verdict.WITHIN:
        yield (
            f"API Gateway ends connections after two hours, so clients reconnect at {check.needed:,.0f}/s: "
            f"{check.share:.0%} of the quota. Request {check.ask_for:,}/s."
        )


def _about_functions(plan: DeploymentPlan) -> Iterator[str]:
    rate, busy = _check(plan, quotas.INVOCATION_RATE), _check(plan, quotas.CONCURRENCY)
    if rate.verdict is not Verdict.WITHIN and rate.share >= busy.share:
        yield (
            f"Only {busy.needed:,.0f} environments are busy at once, but Lambda allows ten invocations a second for "
            f"each unit of the account's concurrency, and the load has {rate.needed:,.0f}/s. Request a concurrency of "
            f"{with_headroom(rate.needed / 10):,}."
        )
    elif busy.verdict is not Verdict.WITHIN:
        yield f"The functions need {busy.needed:,.0f} environments at once. Request a concurrency of {busy.ask_for:,}."
    slowest = max(plan.functions, key=lambda need: need.seconds_to_scale, default=None)
    if slowest is not None and slowest.seconds_to_scale >= _BURST_SECONDS:
        yield (
            f"Lambda adds 1,000 environments or 10,000 requests/s to a function every 10 s, so `{slowest.name}` takes "
            f"{describe_seconds(slowest.seconds_to_scale)} to scale up from none. Increase the load gradually, or "
            "provision concurrency."
        )
    if plan.seconds_until_computing >= _BURST_SECONDS:
        yield (
            f"{quotas.FIRST_BATCHES} environments read the compute queue at first, and {quotas.BATCHES_PER_MINUTE} "
            f"more each minute, so it takes {describe_seconds(plan.seconds_until_computing)} to scale up from none."
        )


def _about_updates(plan: DeploymentPlan) -> Iterator[str]:
    burst = _check(plan, quotas.MESSAGE_BURST)
    if burst.verdict is not Verdict.WITHIN:
        seconds = burst.needed / quotas.MESSAGE_RATE.limit
        yield (
            f"One update to {burst.needed:,.0f} subscribers takes at least {describe_seconds(seconds)} at "
            f"{quotas.MESSAGE_RATE.limit:,.0f} pushes/s, and leaves no quota for requests meanwhile. Throttled pushes "
            "are retried in order."
        )


def describe_seconds(seconds: float) -> str:
    """Format a duration.

    >>> describe_seconds(0.3), describe_seconds(20), describe_seconds(2000), describe_seconds(20_000)
    ('0.3 s', '20 s', '33 min', '5.6 h')
    """
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _check(plan: DeploymentPlan, quota: Quota) -> Check:
    return next(check for check in plan.quotas if check.quota is quota)
