"""Rules of freshness: may a result be answered, must it be refreshed, how long does it live. Times in milliseconds."""

from __future__ import annotations

import enum
import math

from push.computes import AnyCompute
from push.results import Result, Status

JITTER = 0.1
"""A lifetime is shortened by up to this part, so that results computed together do not expire together."""


class Freshness(enum.Enum):
    """Whether a result may be answered."""

    FRESH = "fresh"
    STALE = "stale"
    """It may be answered, and must be refreshed."""
    UNUSABLE = "unusable"


def judge(result: Result, now_ms: int, max_age_ms: int | None = None) -> Freshness:
    """Return whether a result may be answered now.

    Args:
        result: the result, as read from the cache.
        now_ms: the time now.
        max_age_ms: the oldest age that the caller accepts; None applies the result's own times.

    """
    if max_age_ms is not None and now_ms - result.computed_at_ms >= max_age_ms:
        return Freshness.UNUSABLE
    if now_ms < result.fresh_until_ms and not result.is_invalidated:
        return Freshness.FRESH
    return Freshness.STALE if now_ms < result.stale_until_ms else Freshness.UNUSABLE


def is_due_early(result: Result, now_ms: int, random: float) -> bool:
    """Return whether this reader should refresh a result that is still fresh.

    The probability grows as the end of freshness nears and with the cost of the compute. So a hot key is refreshed
    before it expires, and a cold key is not. Failures are never refreshed early.

    Args:
        result: a fresh result.
        now_ms: the time now.
        random: a number in [0, 1).

    Source: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015 (XFetch,
    with beta 1). XFetch alone lets a few readers compute at once; the lease limits them to one.

    """
    if result.status is Status.FAILURE:
        return False
    return now_ms - result.cost_us / 1000 * math.log(1.0 - random) >= result.fresh_until_ms


def lifetime(compute: AnyCompute, status: Status, now_ms: int, random: float) -> tuple[int, int]:
    """Return when a result computed now stops being fresh, and when it stops being usable as stale.

    Args:
        compute: the compute, with its times.
        status: a failure lives for the compute's failure time, and is never usable as stale.
        now_ms: the time now.
        random: a number in [0, 1); shortens the fresh time by up to `JITTER`.

    """
    seconds = compute.ttl_seconds if status is Status.VALUE else compute.failure_ttl_seconds
    fresh_until = now_ms + int(seconds * 1000 * (1.0 - JITTER * random))
    stale_seconds = compute.stale_ttl_seconds if status is Status.VALUE else 0.0
    return fresh_until, fresh_until + int(stale_seconds * 1000)
