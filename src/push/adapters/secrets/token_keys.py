"""The shared secret that tokens are signed with, from Secrets Manager: the current one and the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from push.adapters.secrets.stages import fetch_stages
from push.adapters.tokens.pyjwt import VerificationKey

ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32
"""A key as long as the hash at least (RFC 7518, 3.2)."""


def fetch_secrets(client: Any, secret_arn: str) -> Sequence[VerificationKey]:  # noqa: ANN401 - a boto3 client
    """Return the keys that the secret holds: the previous one keeps tokens good that were issued before a rotation.

    Raises:
        TransientError: Secrets Manager did not answer.
        SettingsError: the secret is too short to sign with.

    """
    secrets = fetch_stages(client, secret_arn, "token secret", MIN_SECRET_BYTES)
    return [VerificationKey(ALGORITHM, secret) for secret in secrets]
