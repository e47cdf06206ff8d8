"""Waits before retries: pure functions that take their randomness as an argument."""

from __future__ import annotations


def full_jitter(attempt: int, random: float, *, base_seconds: float, cap_seconds: float) -> float:
    """Return the seconds to wait before attempt number `attempt` (from 0): anything up to a bound that doubles.

    Spreading over the whole interval keeps clients that were disconnected together from reconnecting together:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. `random` is in [0, 1).

    >>> [full_jitter(attempt, 0.5, base_seconds=0.5, cap_seconds=3.0) for attempt in range(5)]
    [0.25, 0.5, 1.0, 1.5, 1.5]
    """
    # A float overflows past 2 ** 1023, and 62 doublings reach every cap.
    return random * float(min(cap_seconds, base_seconds * 2.0 ** min(attempt, 62)))


def growing(attempt: int, random: float, *, base_seconds: float, cap_seconds: float) -> float:
    """Return the seconds of interval number `attempt` (from 0): it doubles up to a cap, plus up to a quarter of jitter.

    Unlike a backoff, the interval has a floor: a retry before it would only double the load.

    >>> [growing(attempt, 0.0, base_seconds=10.0, cap_seconds=60.0) for attempt in range(4)]
    [10.0, 20.0, 40.0, 60.0]
    """
    return float(min(cap_seconds, base_seconds * 2.0 ** min(attempt, 62))) * (1 + random / 4)


def a_little_early(seconds: float, random: float) -> float:
    """Shorten a time by up to a tenth, so that clients that connected together do not reconnect together.

    >>> a_little_early(6600.0, 0.0), a_little_early(6600.0, 0.5)
    (6600.0, 6270.0)
    """
    return seconds * (1 - random / 10)
