"""One run of a compute in a test: its value, and what would be stored."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from push.adapters.threads import run_compute
from push.authorizing import forbidden, is_permitted
from push.callers import Caller
from push.computes import AnyCompute
from push.keys import make_key
from push.sources.contexts import Context, Progress
from push.sources.outcomes import complete, encode_value
from push.sources.ports import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The outcome of one run.

    Args:
        value: the value as clients receive it, decoded from its JSON.
        json: the JSON that would be stored.
        tags: the tags that would be stored: a change of one invalidates the result. Those of reads begin with `@`, and
            have the logical names of tables and buckets.
        key: the name of the result in the cache: callers that share a result have the same.
        progress: what the function reported.

    """

    value: Any
    json: bytes
    tags: tuple[str, ...]
    key: str
    progress: tuple[Progress, ...]


async def run(compute: AnyCompute, params: bytes, caller: Caller, sources: Sources, *, attempt: int = 1) -> Run:
    """Run a compute as production does, without a cache.

    Raises:
        RequestError: the params do not fit (`invalid_params`), or the caller may not have the result (`forbidden`).
        RuleFailedError: `authorize` raised, or returned something else than a bool; in production, that refuses.
        TimeoutError: the function took longer than its timeout.

    """
    parsed = compute.parse_params(params)
    key = make_key(caller.tenant, compute, parsed, caller.principal)
    if compute.authorize is not None and not is_permitted(compute.authorize, caller, parsed):
        raise forbidden(compute.name)
    reported: list[Progress] = []
    context = Context(
        tenant=caller.tenant,
        principal=caller.principal,
        scope=compute.scope,
        attempt=attempt,
        deadline=time.time() + compute.timeout_seconds,
        sources=sources,
        report=reported.append,
    )
    async with asyncio.timeout(compute.timeout_seconds):
        value = await run_compute(compute, parsed, context)
    computed = complete(value, compute.tags(parsed), context.tags, context.reads)
    encoded = encode_value(computed.value)
    return Run(
        value=msgspec.json.decode(encoded),
        json=encoded,
        tags=computed.tags,
        key=key.storage,
        progress=tuple(reported),
    )
