"""Keys of a token issuer, cached in the execution environment and refreshed, so that the issuer can rotate them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from push.adapters.tokens.pyjwt import VerificationKey
from push.errors import TransientError

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""Lifetime of cached keys: a revoked key is accepted for up to this long."""

RETRY_SECONDS = 60.0
"""The shortest interval between refreshes for tokens that fit no key: anybody can send such tokens."""

KEPT_SECONDS = 24 * 3600.0
"""Time limit of using cached keys while fetching fails."""


class CachedKeys:
    """`push.adapters.tokens.pyjwt.KeySource`, cached and refreshed.

    Args:
        fetch: returns all keys, or raises TransientError.
        monotonic: seconds of a clock that never goes back.

    """

    def __init__(
        self, fetch: Callable[[], Sequence[VerificationKey]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: Sequence[VerificationKey] = ()
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")

    def find(self, key_id: str | None) -> Sequence[VerificationKey]:
        """See `KeySource.find`."""
        now = self._monotonic()
        if not self._keys or (now - self._fetched_at >= FRESH_SECONDS and now - self._tried_at >= RETRY_SECONDS):
            self._refresh(now)
        return self._fitting(key_id)

    def find_newer(self, key_id: str | None) -> Sequence[VerificationKey]:
        """See `KeySource.find_newer`."""
        now = self._monotonic()
        if now - self._tried_at < RETRY_SECONDS:
            return ()
        self._refresh(now)
        return self._fitting(key_id)

    def _refresh(self, now: float) -> None:
        self._tried_at = now
        try:
            self._keys = self._fetch()
        except TransientError as exc:
            if now - self._fetched_at >= KEPT_SECONDS:
                self._keys = ()
                raise
            logger.warning("could not refresh the keys of the token issuer: %s %r", exc.message, exc.__cause__)
        else:
            self._fetched_at = now

    def _fitting(self, key_id: str | None) -> Sequence[VerificationKey]:
        return [key for key in self._keys if key.fits(key_id)]
