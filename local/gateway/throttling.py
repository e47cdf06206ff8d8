"""The throttling of routes: token buckets.

Source: "Throttle requests to your HTTP APIs for better throughput in API Gateway" and "Protect your WebSocket APIs in
API Gateway" (Developer Guide): a bucket holds as many tokens as the burst limit says and is filled at the rate limit;
a request that finds none is refused. There it is best effort, here it is exact.
"""

from __future__ import annotations

from local.gateway.api import Throttle


class TokenBucket:
    """The tokens of one route. It is full at first; times are seconds of a clock that never goes back."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, throttle: Throttle, now: float) -> None:
        self._rate = throttle.rate_per_second
        self._burst = float(throttle.burst)
        self._tokens = self._burst
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Take the token of one request, or tell that there is none."""
        tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        is_taken = tokens >= 1
        self._tokens = tokens - is_taken
        return is_taken


def bucket(throttle: Throttle | None, now: float, *, is_kept: bool) -> TokenBucket | None:
    """Return the bucket of a route; None if it isn't throttled, or if throttling is not kept to."""
    return TokenBucket(throttle, now) if throttle is not None and is_kept else None
