"""Computes that do what a test tells them, in the process of the handler."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Literal

import msgspec

from push.callers import Caller
from push.computes import Scope, compute
from push.errors import ComputeFailedError, ErrorCode, RequestError, SourceThrottledError
from push.sources.contexts import Context


class ScriptedParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which key, how large and slow its result is, and how its attempts fail."""

    name: str = ""
    size_bytes: int = 0
    seconds: float = 0.0
    failure: Literal["", "throttled", "absent", "broken"] = ""
    failing_attempts: int = 99


runs: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
"""The attempts that were made, by tenant and name."""


async def _run(params: ScriptedParams, context: Context, tenant: str | None = None) -> dict[str, object]:
    tenant = context.tenant if tenant is None else tenant
    attempts = runs[tenant, params.name]
    attempts.append(context.attempt)
    await asyncio.sleep(params.seconds)
    if context.attempt <= params.failing_attempts:
        match params.failure:
            case "throttled":
                raise SourceThrottledError(retry_after_ms=250)
            case "absent":
                raise RequestError("There is no such thing.", code=ErrorCode.NOT_FOUND)
            case "broken":
                raise ComputeFailedError("It does not work out.")
    return {"tenant": tenant, "run": len(attempts), "padding": "x" * params.size_bytes}


@compute(
    name="scripted",
    ttl=30.0,
    stale_ttl=60.0,
    failure_ttl=1.0,
    timeout=10.0,
)
async def scripted(params: ScriptedParams, context: Context) -> object:
    """Do as the params say."""
    return await _run(params, context)


@compute(name="own", ttl=30.0, scope=Scope.PRINCIPAL)
async def own(params: ScriptedParams, context: Context) -> object:
    """Do the same for each principal, and name it."""
    return {**await _run(params, context), "principal": context.principal}


revoked: set[str] = set()
"""Principals whose right has ended."""


def may_ask(caller: Caller, params: ScriptedParams) -> bool:
    """Permit the names in the claim `names` of a principal that is not revoked."""
    return caller.principal not in revoked and params.name in caller.claims["names"]


@compute(name="guarded", ttl=30.0, authorize=may_ask)
async def guarded(params: ScriptedParams, context: Context) -> object:
    """Do the same for callers that may ask."""
    return await _run(params, context)


@compute(name="brief", ttl=0.05, stale_ttl=60.0)
async def brief(params: ScriptedParams, context: Context) -> object:
    """Do the same, but stay fresh for a moment only."""
    return await _run(params, context)


@compute(name="shared", ttl=30.0, scope=Scope.SHARED)
async def shared(params: ScriptedParams, context: Context) -> object:
    """Do the same for all tenants at once."""
    return await _run(params, context, "no tenant")
