"""When a result may be answered, when it must be made anew, and for how long it is kept. Times in milliseconds."""

from __future__ import annotations

import enum
import math

from push.computes import AnyCompute
from push.results import Result, Status

JITTER = 0.1
"""Up to this part of a lifetime is taken off, so that results made together do not expire together."""


class Freshness(enum.Enum):
    """What may be done with a result."""

    FRESH = "fresh"
    STALE = "stale"
    """Answer it, and have it refreshed."""
    UNUSABLE = "unusable"


def judge(result: Result, now_ms: int, max_age_ms: int | None = None) -> Freshness:
    """Say what may be done with a result now.

    Args:
        result: as read from a cache.
        now_ms: the time now.
        max_age_ms: the caller takes nothing older; None leaves it to the result's own times.

    """
    if max_age_ms is not None and now_ms - result.computed_at_ms >= max_age_ms:
        return Freshness.UNUSABLE
    if now_ms < result.fresh_until_ms and not result.is_invalidated:
        return Freshness.FRESH
    return Freshness.STALE if now_ms < result.stale_until_ms else Freshness.UNUSABLE


def is_due_early(result: Result, now_ms: int, random: float) -> bool:
    """Say whether this reader should have a result refreshed that is still fresh.

    The nearer the end and the longer the compute takes, the likelier; so a hot key is refreshed before it expires
    and a cold one is not. Failures are left to expire.

    Args:
        result: a fresh one.
        now_ms: the time now.
        random: in [0, 1).

    Source: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015 (XFetch,
    with beta 1). It alone would have a few readers compute at once; the lease makes it one.

    """
    if result.status is Status.FAILURE:
        return False
    return now_ms - result.cost_us / 1000 * math.log(1.0 - random) >= result.fresh_until_ms


def lifetime(compute: AnyCompute, status: Status, now_ms: int, random: float) -> tuple[int, int]:
    """Return until when a result computed now is fresh, and until when it may be answered stale.

    Args:
        compute: whose times apply.
        status: failures live for the compute's failure time, and never stale.
        now_ms: the time now.
        random: in [0, 1), takes up to `JITTER` off the fresh time.

    """
    seconds = compute.ttl_seconds if status is Status.VALUE else compute.failure_ttl_seconds
    fresh_until = now_ms + int(seconds * 1000 * (1.0 - JITTER * random))
    stale_seconds = compute.stale_ttl_seconds if status is Status.VALUE else 0.0
    return fresh_until, fresh_until + int(stale_seconds * 1000)
