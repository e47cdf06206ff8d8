"""The shared secret that signs tokens, from Secrets Manager: its current and its previous value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from push.adapters.secrets.stages import fetch_stages
from push.adapters.tokens.pyjwt import VerificationKey

ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32
"""A key must be at least as long as the hash (RFC 7518, 3.2)."""


def fetch_secrets(client: Any, secret_arn: str) -> Sequence[VerificationKey]:  # noqa: ANN401 - a boto3 client
    """Return the current key, and the previous one, which verifies tokens issued before a rotation.

    Raises:
        TransientError: Secrets Manager did not answer.
        SettingsError: the secret is too short to sign with.

    """
    secrets = fetch_stages(client, secret_arn, "token secret", MIN_SECRET_BYTES)
    return [VerificationKey(ALGORITHM, secret) for secret in secrets]
