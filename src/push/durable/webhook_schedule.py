"""The schedule of webhook attempts. Times are in milliseconds unless a name says otherwise."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

DELAYS_SECONDS = (5, 300, 1800, 7200, 18000, 36000)
"""Delays between attempts: seven attempts in about a day, as in Standard Webhooks' example."""

JITTER = 0.25
"""A delay is extended by up to this part, so that attempts that failed together are not retried together."""

MAX_RETRY_AFTER_SECONDS = 12 * 3600
"""The longest `Retry-After` that is honoured, because results are kept only for days."""

MAX_HOP_SECONDS = 900
"""SQS delays a message by 15 minutes at most ("Amazon SQS message quotas", Developer Guide)."""

EARLY_MS = 1000
"""A job due within this time counts as due, because queues count in seconds."""


def next_attempt_at_ms(attempt: int, now_ms: int, random: float, retry_after_seconds: float = 0.0) -> int | None:
    """Return when the next attempt is due; None if the failed attempt was the last.

    Args:
        attempt: the number of the failed attempt, counted from 1.
        now_ms: when it failed.
        random: a number in [0, 1).
        retry_after_seconds: the delay that the receiver asked for.

    """
    if attempt > len(DELAYS_SECONDS):
        return None
    delay_seconds = DELAYS_SECONDS[attempt - 1] * (1.0 + JITTER * random)
    asked_seconds = min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
    return now_ms + int(max(delay_seconds, asked_seconds) * 1000)


def hop_seconds(due_at_ms: int, now_ms: int) -> int:
    """Return the delay of a message for its next hop towards a time; 0 if the time has come."""
    left_ms = due_at_ms - now_ms
    return 0 if left_ms <= EARLY_MS else min(MAX_HOP_SECONDS, -(-left_ms // 1000))


def parse_retry_after(text: str, now_ms: int) -> float:
    """Return a `Retry-After` header, seconds or a date, as seconds from now; 0 if invalid (RFC 9110, 10.2.3)."""
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        return float(min(int(stripped[:9]), MAX_RETRY_AFTER_SECONDS))
    try:
        date = parsedate_to_datetime(stripped)
    except (ValueError, OverflowError):
        return 0.0
    at = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return min(max(0.0, at.timestamp() - now_ms / 1000), MAX_RETRY_AFTER_SECONDS)
