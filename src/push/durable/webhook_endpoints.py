"""Webhooks that fail: when they are disabled, and when they are tried again. Times in milliseconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from push.computes import Tenant

DISABLE_AFTER_MS = 24 * 3600 * 1000
DISABLE_AFTER_FAILURES = 10
"""A URL that every attempt failed at, for so long and so many times at least, is disabled."""

TRIAL_AFTER_MS = 24 * 3600 * 1000
"""A disabled URL is tried once in so long; it is enabled by the first attempt that succeeds."""

FAILING = "Every attempt of the last day failed."
GONE = "The receiver answered 410 Gone."


@dataclass(frozen=True, slots=True)
class FailingEndpoint:
    """A tenant's URL since whose last success attempts have failed."""

    url: str
    failing_since_ms: int
    failures: int
    disabled_at_ms: int | None = None
    reason: str = ""

    def is_worn_out(self, now_ms: int) -> bool:
        """Say whether it is to be disabled for its failures."""
        return self.failures >= DISABLE_AFTER_FAILURES and now_ms - self.failing_since_ms >= DISABLE_AFTER_MS

    def is_trial_due(self, now_ms: int) -> bool:
        """Say whether it is disabled and may be tried."""
        return self.disabled_at_ms is not None and now_ms - self.disabled_at_ms >= TRIAL_AFTER_MS


def endpoint_name(tenant: Tenant, url: str) -> str:
    """Return a URL's name in the table; one tenant's failures are not another's."""
    return f"{tenant}/{hashlib.sha256(url.encode()).hexdigest()}"
