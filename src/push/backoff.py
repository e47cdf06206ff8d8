"""Exponential backoff with full jitter, as a pure function; randomness is an argument."""

from __future__ import annotations


def backoff_seconds(attempt: int, random: float, *, base_seconds: float = 1.0, cap_seconds: float = 60.0) -> float:
    """Return the delay before attempt `attempt + 1`: full jitter under an exponential ceiling.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = min(cap_seconds, base_seconds * 2.0 ** (attempt - 1))
    return ceiling * random
