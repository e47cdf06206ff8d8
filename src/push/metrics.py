"""What is counted, and the interface to count it with."""

from __future__ import annotations

import enum
from typing import Protocol


class Metric(enum.StrEnum):
    """Every metric the functions count; those with a dimension have its name beside them."""

    CACHE_HIT = "CacheHit"  # Tier
    CACHE_MISS = "CacheMiss"
    CACHE_STALE = "CacheStale"
    CACHE_UNAVAILABLE = "CacheUnavailable"
    COALESCED = "Coalesced"
    REFRESH = "Refresh"
    REFUSED_FILL = "RefusedFill"
    TAKEOVER = "Takeover"
    COMPUTE = "Compute"  # Compute
    COMPUTE_MILLISECONDS = "ComputeMilliseconds"  # Compute
    COMPUTE_FAILURE = "ComputeFailure"  # Compute
    PUSH = "Push"  # Outcome
    REFUSED_MESSAGE = "RefusedMessage"  # Code
    TIMED_OUT = "TimedOut"
    DEAD_LETTER = "DeadLetter"


Dimension = tuple[str, str]


class Counter(Protocol):
    """Where events are counted."""

    def count(self, metric: Metric, value: float = 1.0, dimension: Dimension | None = None) -> None:
        """Add to a metric, under one dimension (name, value) or none."""
