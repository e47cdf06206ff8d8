"""Rules for failing webhooks: when a URL is disabled, and when it gets a trial. Times in milliseconds."""

from __future__ import annotations

import hashlib

import msgspec

from push.computes import Tenant

DISABLE_AFTER_MS = 24 * 3600 * 1000
DISABLE_AFTER_FAILURES = 10
"""A URL is disabled after at least this many failures, and this long, without a success."""

TRIAL_AFTER_MS = 24 * 3600 * 1000
"""A disabled URL gets one trial per interval; the first attempt that succeeds enables it."""

FAILING = "Every attempt of the last day failed."
GONE = "The receiver answered 410 Gone."


class FailingEndpoint(msgspec.Struct, frozen=True):
    """A tenant's URL whose attempts have failed since its last success."""

    url: str
    failing_since_ms: int
    failures: int
    disabled_at_ms: int | None = None
    reason: str = ""

    def is_worn_out(self, now_ms: int) -> bool:
        """Return whether the URL must be disabled for its failures."""
        return self.failures >= DISABLE_AFTER_FAILURES and now_ms - self.failing_since_ms >= DISABLE_AFTER_MS

    def is_trial_due(self, now_ms: int) -> bool:
        """Return whether the URL is disabled and a trial is due."""
        return self.disabled_at_ms is not None and now_ms - self.disabled_at_ms >= TRIAL_AFTER_MS


def endpoint_name(tenant: Tenant, url: str) -> str:
    """Return a URL's name in the table; it is separate for each tenant."""
    return f"{tenant}/{hashlib.sha256(url.encode()).hexdigest()}"
