"""Values that tests need many of, with what does not matter filled in."""

from __future__ import annotations

import itertools

import msgspec

from push.cache.jobs import Job, JobKind, Waiter
from push.computes import Scope, Tenant, compute
from push.keys import Key
from push.results import Result, Status, make_etag
from push.sources.contexts import Context

NOW_MS = 1_732_000_000_000

_numbers = itertools.count(1)


class EchoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Params of several types."""

    text: str = ""
    number: int = 0
    value: int | str | bool | float | None = None
    members: dict[str, int] = {}


@compute(name="echo", ttl=10.0, stale_ttl=60.0)
async def echo(params: EchoParams, context: Context) -> object:
    """Give back what was asked, and for whom."""
    return {"tenant": context.tenant, "text": params.text, "number": params.number}


@compute(name="shared", ttl=10.0, scope=Scope.SHARED)
async def shared(params: EchoParams) -> object:
    """Give the same to every tenant."""
    return params.text


@compute(name="own", ttl=10.0, scope=Scope.PRINCIPAL)
async def own(params: EchoParams, context: Context) -> object:
    """Give each principal what it asked."""
    return {"principal": context.principal, "text": params.text}


def unique_key(tenant: str = "acme") -> Key:
    """Return a key nobody has used before."""
    return Key(Tenant(tenant), "echo", 1, f"{next(_numbers):032x}")


def make_result(
    data: bytes = b'{"n":1}',
    *,
    computed_at_ms: int = NOW_MS,
    fresh_ms: int = 10_000,
    stale_ms: int = 60_000,
    status: Status = Status.VALUE,
    source_version: int = 0,
    tags: tuple[str, ...] = (),
) -> Result:
    """Return a result computed now, fresh and then stale for a while."""
    fresh_until_ms = computed_at_ms + fresh_ms
    return Result(
        status=status,
        computed_at_ms=computed_at_ms,
        fresh_until_ms=fresh_until_ms,
        stale_until_ms=fresh_until_ms + stale_ms,
        etag=make_etag(data),
        data=data,
        source_version=source_version,
        tags=tags,
    )


def make_job(
    kind: JobKind = JobKind.REQUEST,
    *,
    compute: str = "echo",
    params: bytes = b"{}",
    token: str = "queued 0",
    tenant: str = "acme",
    attempt: int = 1,
    waiter: Waiter | None = None,
    deadline_ms: int = 0,
) -> Job:
    """Return a job."""
    return Job(
        kind=kind,
        tenant=Tenant(tenant),
        compute=compute,
        params=msgspec.Raw(params),
        token=token,
        attempt=attempt,
        waiter=waiter,
        deadline_ms=deadline_ms,
    )
