"""Token buckets that throttle routes.

Source: "Throttle requests to your HTTP APIs for better throughput in API Gateway" and "Protect your WebSocket APIs in
API Gateway" (Developer Guide). A bucket holds as many tokens as the burst limit and refills at the rate limit. A
request without a token is refused. API Gateway throttles on a best-effort basis; this gateway is exact.
"""

from __future__ import annotations

from local.gateway.api import Throttle


class TokenBucket:
    """The tokens of one route. It starts full. Times are seconds of a monotonic clock."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, throttle: Throttle, now: float) -> None:
        self._rate = throttle.rate_per_second
        self._burst = float(throttle.burst)
        self._tokens = self._burst
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Take a token for one request. Return False if there is none."""
        tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        is_taken = tokens >= 1
        self._tokens = tokens - is_taken
        return is_taken


def bucket(throttle: Throttle | None, now: float, *, is_kept: bool) -> TokenBucket | None:
    """Return the bucket of a route, or None if the route is not throttled or throttling is not enforced."""
    return TokenBucket(throttle, now) if throttle is not None and is_kept else None
