"""The right of durable requests to their answer, asked again when they are answered.

A client on a socket waits for minutes at most, and was asked when it sent its request.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from push.authorizing import RuleFailedError, is_permitted
from push.cache.jobs import Waiter
from push.callers import Caller, JsonClaims
from push.computes import AnyCompute, Tenant


def split_by_right(
    compute: AnyCompute, params: msgspec.Raw, waiters: Sequence[Waiter]
) -> tuple[Sequence[Waiter], Sequence[Waiter]]:
    """Split waiters into those that may have the result, and durable requests whose right has ended."""
    if compute.authorize is None or not any(each.tenant for each in waiters):
        return waiters, ()
    parsed = compute.parse_params(params)
    refused = [each for each in waiters if each.tenant and not _may_have(compute, parsed, each)]
    return [each for each in waiters if each not in refused], refused


def _may_have(compute: AnyCompute, params: msgspec.Struct, waiter: Waiter) -> bool:
    caller = Caller(Tenant(waiter.tenant), waiter.principal, claims=JsonClaims(waiter.claims))
    try:
        return compute.authorize is None or is_permitted(compute.authorize, caller, params)
    except RuleFailedError:
        # A defect of the rule must not open what it guards.
        return False
