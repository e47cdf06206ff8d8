"""The master secrets that webhooks' keys are derived from, kept in the execution environment."""

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
"""How long after a rotation some webhooks are still signed with the secrets before it, of which one is still good."""

RETRY_SECONDS = 10.0
"""How long the secrets at hand are used before they are asked for again, if they could not be fetched."""


class WebhookMasters:
    """The master secrets, the current one first.

    Secrets that can't be fetched anew are used on: nothing but a second rotation makes them useless.

    Args:
        fetch: returns them, or raises TransientError.
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
            TransientError: they were never fetched, and can't be now.
            SettingsError: they are too short to sign with.

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
            logger.warning("the master secrets were not refreshed: %s %r", exc.message, exc.__cause__)
            self._good_until = now + RETRY_SECONDS
        else:
            self._good_until = now + FRESH_SECONDS


def fetch_masters(client: Any, secret_arn: str) -> list[bytes]:  # noqa: ANN401 - a boto3 client
    """Return the master secrets that Secrets Manager holds. Raises TransientError and SettingsError."""
    return fetch_stages(client, secret_arn, "webhook secret", MIN_MASTER_BYTES)
