"""Webhooks that fail: when they are disabled, and when they are tried again. Times in milliseconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

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


class WebhookEndpoints(Protocol):
    """What is known of webhooks that fail. Those that work are not in it.

    What is noted is not worth a second attempt: the methods that note never raise, and log what was not reached.
    """

    def read_disabled(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """Return a URL that must not be used now; None if it may be, also for a trial. Raises TransientError."""

    async def read(self, tenant: Tenant, url: str) -> FailingEndpoint | None:
        """Return what is known of a URL; None if it works or was never used. Raises TransientError."""

    async def begin_trial(self, tenant: Tenant, endpoint: FailingEndpoint, now_ms: int) -> bool:
        """Take the one trial that is due, atomically; False if another has it. Raises TransientError."""

    async def note_failure(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """Count a failed attempt, and return what is known since; None if that was not reached. Never raises."""

    async def disable(self, tenant: Tenant, url: str, reason: str, now_ms: int) -> bool:
        """Disable a URL; False if it was disabled before. Never raises."""

    async def note_success(self, tenant: Tenant, url: str) -> None:
        """Forget what is known of a URL: it works. Never raises."""


def endpoint_name(tenant: Tenant, url: str) -> str:
    """Return a URL's name in the table; one tenant's failures are not another's."""
    return f"{tenant}/{hashlib.sha256(url.encode()).hexdigest()}"
