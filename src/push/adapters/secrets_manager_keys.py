"""The shared secret that tokens are signed with, from Secrets Manager: the current one and the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.pyjwt_tokens import VerificationKey
from push.errors import SettingsError, TransientError

ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32
"""A key as long as the hash at least (RFC 7518, 3.2)."""

# AWSPREVIOUS keeps tokens good that were issued just before a rotation.
_STAGES = ("AWSCURRENT", "AWSPREVIOUS")


def fetch_secrets(client: Any, secret_arn: str) -> Sequence[VerificationKey]:  # noqa: ANN401 - a boto3 client
    """Return the keys that the secret holds.

    Raises:
        TransientError: Secrets Manager did not answer.
        SettingsError: the secret is too short to sign with.

    """
    secrets = (_fetch_stage(client, secret_arn, stage) for stage in _STAGES)
    return [VerificationKey(ALGORITHM, _checked(secret)) for secret in secrets if secret is not None]


def _fetch_stage(client: Any, secret_arn: str, stage: str) -> str | None:  # noqa: ANN401
    try:
        answer = client.get_secret_value(SecretId=secret_arn, VersionStage=stage)
    except (BotoCoreError, ClientError) as exc:
        if stage == "AWSPREVIOUS" and isinstance(exc, ClientError) and _is_absent(exc):
            return None
        raise TransientError("Secrets Manager did not return the token secret.") from exc
    return str(answer["SecretString"])


def _is_absent(exc: ClientError) -> bool:
    return exc.response.get("Error", {}).get("Code") == "ResourceNotFoundException"


def _checked(secret: str) -> bytes:
    encoded = secret.encode()
    if len(encoded) < MIN_SECRET_BYTES:
        raise SettingsError(f"The token secret is shorter than {MIN_SECRET_BYTES} bytes.")
    return encoded
