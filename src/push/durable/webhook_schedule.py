"""When a delivery is tried again. Times in milliseconds unless a name says otherwise."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

DELAYS_SECONDS = (5, 300, 1800, 7200, 18000, 36000)
"""Between one attempt and the next: seven attempts in about a day, after Standard Webhooks' example."""

JITTER = 0.25
"""Up to this part of a delay is added, so that what failed together does not come back together."""

MAX_RETRY_AFTER_SECONDS = 12 * 3600
"""A receiver may ask for as much patience; more is taken as this, for results are kept for days only."""

MAX_HOP_SECONDS = 900
"""SQS delays a message by 15 minutes at most ("Amazon SQS message quotas", Developer Guide)."""

EARLY_MS = 1000
"""What is due within so long is done now: queues count in seconds."""


def next_attempt_at_ms(attempt: int, now_ms: int, random: float, retry_after_seconds: float = 0.0) -> int | None:
    """Return when the attempt after this one is due; None if this one was the last.

    Args:
        attempt: the one that failed, counted from 1.
        now_ms: when it failed.
        random: in [0, 1).
        retry_after_seconds: how long the receiver asked to be left alone.

    """
    if attempt > len(DELAYS_SECONDS):
        return None
    delay_seconds = DELAYS_SECONDS[attempt - 1] * (1.0 + JITTER * random)
    asked_seconds = min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
    return now_ms + int(max(delay_seconds, asked_seconds) * 1000)


def hop_seconds(due_at_ms: int, now_ms: int) -> int:
    """Return how long a message may be delayed on its way to a time; 0 if the time has come."""
    left_ms = due_at_ms - now_ms
    return 0 if left_ms <= EARLY_MS else min(MAX_HOP_SECONDS, -(-left_ms // 1000))


def parse_retry_after(text: str, now_ms: int) -> float:
    """Read a `Retry-After` header, seconds or a date, as seconds from now; 0 for what is neither (RFC 9110, 10.2.3)."""
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        return float(min(int(stripped[:9]), MAX_RETRY_AFTER_SECONDS))
    try:
        date = parsedate_to_datetime(stripped)
    except (ValueError, OverflowError):
        return 0.0
    at = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return min(max(0.0, at.timestamp() - now_ms / 1000), MAX_RETRY_AFTER_SECONDS)
