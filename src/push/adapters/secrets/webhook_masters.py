"""The master secrets from which the keys of outgoing webhooks are derived, cached in the environment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from push.adapters.secrets.stages import fetch_stages
from push.durable.webhook_keys import MIN_MASTER_BYTES
from push.errors import TransientError

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""Lifetime of cached secrets. After a rotation, webhooks are signed with the old secrets for up to this long.

One of the old secrets is still valid then.
"""

RETRY_SECONDS = 10.0
"""The pause before the next fetch after a failed one."""


class WebhookMasters:
    """The master secrets, the current one first.

    If a refresh fails, the cached secrets stay in use: only a second rotation makes them invalid.

    Args:
        fetch: returns the secrets, or raises TransientError.
        monotonic: seconds of a clock that never goes back.

    """

    def __init__(self, fetch: Callable[[], Sequence[bytes]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._masters: Sequence[bytes] = ()
        self._good_until = float("-inf")

    def read(self) -> Sequence[bytes]:
        """Return the secrets.

        Raises:
            TransientError: the first fetch failed.
            SettingsError: a secret is too short to sign with.

        """
        now = self._monotonic()
        if now >= self._good_until:
            self._refresh(now)
        return self._masters

    def _refresh(self, now: float) -> None:
        try:
            self._masters = self._fetch()
        except TransientError as exc:
            if not self._masters:
                raise
            logger.warning("could not refresh the master secrets: %s %r", exc.message, exc.__cause__)
            self._good_until = now + RETRY_SECONDS
        else:
            self._good_until = now + FRESH_SECONDS


def fetch_masters(client: Any, secret_arn: str) -> list[bytes]:  # noqa: ANN401 - a boto3 client
    """Fetch the master secrets from Secrets Manager. Raises TransientError and SettingsError."""
    return fetch_stages(client, secret_arn, "webhook secret", MIN_MASTER_BYTES)
