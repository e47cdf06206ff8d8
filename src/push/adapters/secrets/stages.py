"""The current and the previous value of a secret: both are valid, so that operators can rotate secrets."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.errors import SettingsError, TransientError

_STAGES = ("AWSCURRENT", "AWSPREVIOUS")


def fetch_stages(client: Any, secret_arn: str, what: str, min_bytes: int) -> list[bytes]:  # noqa: ANN401 - boto3's
    """Return the current value of a secret and, if it was rotated, the previous one.

    Args:
        client: a client of Secrets Manager.
        secret_arn: ARN of the secret.
        what: what error sentences call the secret.
        min_bytes: minimum length of a value.

    Raises:
        TransientError: Secrets Manager did not answer.
        SettingsError: a value is too short.

    """
    found = [_fetch(client, secret_arn, stage, what) for stage in _STAGES]
    secrets = [secret.encode() for secret in found if secret is not None]
    if any(len(secret) < min_bytes for secret in secrets):
        raise SettingsError(f"The {what} is shorter than {min_bytes} bytes.")
    return secrets


def _fetch(client: Any, secret_arn: str, stage: str, what: str) -> str | None:  # noqa: ANN401
    try:
        answer = client.get_secret_value(SecretId=secret_arn, VersionStage=stage)
    except (BotoCoreError, ClientError) as exc:
        if stage == "AWSPREVIOUS" and isinstance(exc, ClientError) and _is_absent(exc):
            return None
        raise TransientError(f"Secrets Manager did not return the {what}.") from exc
    return str(answer["SecretString"])


def _is_absent(exc: ClientError) -> bool:
    return exc.response.get("Error", {}).get("Code") == "ResourceNotFoundException"
