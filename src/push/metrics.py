"""The metrics that functions count, and the port to count them with."""

from __future__ import annotations

import enum
from typing import Protocol


class Metric(enum.StrEnum):
    """Every metric that the functions count; a comment names its dimension.

    A metric and its dimension must not share a name: both are members of the same JSON line.
    """

    CACHE_HIT = "CacheHit"  # Tier
    CACHE_MISS = "CacheMiss"
    CACHE_STALE = "CacheStale"
    CACHE_UNAVAILABLE = "CacheUnavailable"
    COALESCED = "Coalesced"
    REFRESH = "Refresh"
    REFUSED_FILL = "RefusedFill"
    TAKEOVER = "Takeover"
    COMPUTE = "Compute"  # ComputeName
    COMPUTE_MILLISECONDS = "ComputeMilliseconds"  # ComputeName
    COMPUTE_FAILURE = "ComputeFailure"  # ComputeName
    RESULT_BYTES = "ResultBytes"  # ComputeName
    PUSH = "Push"  # Outcome
    REFUSED_MESSAGE = "RefusedMessage"  # Code
    SETTLED = "Settled"  # Status
    UNRECORDED = "Unrecorded"
    TIMED_OUT = "TimedOut"
    DEAD_LETTER = "DeadLetter"
    WEBHOOK_ATTEMPT = "WebhookAttempt"  # Outcome
    WEBHOOK_DISABLED = "WebhookDisabled"
    CHANGE = "Change"  # Source
    TAGS_RAISED = "TagsRaised"  # Source
    INVALIDATED = "Invalidated"  # none, and Source
    CHANGE_LAG_MILLISECONDS = "ChangeLagMilliseconds"  # none, and Source
    CHANGE_FAILURE = "ChangeFailure"  # Source
    UNREADABLE_CHANGE = "UnreadableChange"


Dimension = tuple[str, str]


class Counter(Protocol):
    """A sink for counted events."""

    def count(self, metric: Metric, value: float = 1.0, dimension: Dimension | None = None) -> None:
        """Add to a metric, under one dimension (name, value) or none."""
