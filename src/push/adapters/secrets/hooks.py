"""The secrets of webhook sources, from one secret of Secrets Manager: {"github": ["...", "..."], ...}."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.errors import PushasideError, SettingsError, TransientError

logger = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
"""Lifetime of cached secrets: a revoked one is accepted and a new one unknown for up to this long."""

KEPT_SECONDS = 24 * 3600.0
"""Time limit of using cached secrets while Secrets Manager fails."""

Secrets = Mapping[str, Sequence[str]]
_decoder = msgspec.json.Decoder(dict[str, list[str]])


def fetch_hook_secrets(client: Any, secret_arn: str) -> Secrets:  # noqa: ANN401 - a boto3 client
    """Return the secrets by source.

    Raises:
        TransientError: Secrets Manager did not answer.
        SettingsError: the secret does not have the documented form.

    """
    try:
        answer = client.get_secret_value(SecretId=secret_arn)
    except (BotoCoreError, ClientError) as exc:
        raise TransientError("Secrets Manager did not return the secrets of webhook sources.") from exc
    try:
        return _decoder.decode(answer["SecretString"])
    except (msgspec.DecodeError, KeyError):
        # Without the cause, because that might quote the secret.
        raise SettingsError("The secrets of webhook sources are not a JSON object of lists of text.") from None


class CachedHookSecrets:
    """`push.hooks.ports.HookSecrets`, cached and refreshed.

    Args:
        fetch: returns all secrets, or raises TransientError or SettingsError.
        monotonic: seconds of a clock that never goes back.

    """

    def __init__(self, fetch: Callable[[], Secrets], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._secrets: Secrets | None = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")

    def find(self, source: str) -> Sequence[str]:
        """See `HookSecrets.find`."""
        now = self._monotonic()
        if self._secrets is None or now - self._tried_at >= FRESH_SECONDS:
            self._refresh(now)
        found = self._secrets.get(source) if self._secrets is not None else None
        if not found:
            raise SettingsError(f"There is no secret for the webhook source {source!r}.")
        return found

    def _refresh(self, now: float) -> None:
        self._tried_at = now
        try:
            self._secrets = self._fetch()
        except PushasideError as exc:
            if self._secrets is None or now - self._fetched_at >= KEPT_SECONDS:
                self._secrets = None
                raise
            logger.warning("could not refresh the secrets of webhook sources: %s %r", exc.message, exc.__cause__)
        else:
            self._fetched_at = now
