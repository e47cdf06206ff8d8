"""Verifying and reading webhooks, for their receivers.

They follow Standard Webhooks 1.0 (https://www.standardwebhooks.com). Each has the headers `webhook-id`, the same for
every attempt, `webhook-timestamp`, the seconds since 1970 of this attempt, and `webhook-signature`, one or more
signatures of `{id}.{timestamp}.{body}`. This module verifies signatures of version `v1`, HMAC-SHA256.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from pushaside.errors import UnreadableResultError, UnverifiedWebhookError
from pushaside.protocol.messages import RESULT_BYTES, Failed, Linked, Result, read_fields
from pushaside.protocol.raw_json import raw_member

TOLERANCE_SECONDS = 300.0
"""A webhook whose timestamp is further away than this may be a replay."""

SECRET_PREFIX = "whsec_"  # noqa: S105  (a prefix is no secret)


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """The content of a webhook: `answer` is the outcome of the request, `data` the JSON of the result as it was sent.

    `data` is None for an error, and for a result whose data is behind a link.
    """

    type: str
    timestamp: str
    answer: Result | Linked | Failed
    data: bytes | None


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Iterable[str],
    *,
    now: float | None = None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> str:
    """Check that a webhook is recent and signed with one of these secrets; return its id.

    A known id is a duplicate: answer it with 2xx again and ignore it. `headers` may be in any case. `now` replaces the
    clock's time, in seconds since 1970.

    Raises:
        UnverifiedWebhookError: the webhook is not verified; the sentence says why.
        ValueError: a secret is invalid.

    """
    named = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    if not webhook_id or not timestamp or "webhook-signature" not in named:
        raise UnverifiedWebhookError("A header is missing: webhook-id, webhook-timestamp or webhook-signature.")
    if not timestamp.isascii() or not timestamp.isdigit():
        raise UnverifiedWebhookError("The webhook-timestamp is not a number of seconds.")
    _check_age((time.time() if now is None else now) - int(timestamp), tolerance_seconds)
    given = [part[3:].encode() for part in named["webhook-signature"].split(" ") if part.startswith("v1,")]
    if not given:
        raise UnverifiedWebhookError("There is no signature of version v1.")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = [_sign(secret, signed) for secret in secrets]
    # Compare every pair in constant time, so that the time reveals nothing.
    if sum(hmac.compare_digest(one, other) for one in expected for other in given) == 0:
        raise UnverifiedWebhookError("The signature is made with none of the known secrets.", is_unknown_signature=True)
    return webhook_id


def sign_webhook(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` for a secret; for tests of receivers.

    >>> sign_webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
    ...              b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    return "v1," + _sign(secret, f"{webhook_id}.{timestamp}.".encode() + body).decode()


def check_secret(secret: str) -> None:
    """Check the form of a secret.

    Raises:
        ValueError: it is invalid.

    """
    _decode_secret(secret)


def read_webhook(body: bytes, max_bytes: int = RESULT_BYTES) -> ReceivedWebhook:
    """Read the content of a webhook.

    Raises:
        UnreadableResultError: the body does not have the documented form.

    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise UnreadableResultError(f"The webhook is not JSON: {exc}.") from exc
    if not isinstance(fields, dict) or not isinstance(message := fields.get("data"), dict):
        raise UnreadableResultError("The webhook does not contain the outcome of the request.")
    answer = read_fields(message, max_bytes)
    if not isinstance(answer, Result | Linked | Failed):
        raise UnreadableResultError("The webhook does not contain the outcome of the request.")
    is_plain = isinstance(answer, Result) and "encoding" not in message
    try:
        data = raw_member(body.decode(), "data", "data").encode() if is_plain else None
    except RecursionError as exc:
        raise UnreadableResultError("The data of the result is nested too deeply.") from exc
    return ReceivedWebhook(str(fields.get("type", "")), str(fields.get("timestamp", "")), answer, data)


def _check_age(age_seconds: float, tolerance_seconds: float) -> None:
    if age_seconds > tolerance_seconds:
        raise UnverifiedWebhookError(f"It was signed {age_seconds:.0f} s ago, which is too long.")
    if age_seconds < -tolerance_seconds:
        raise UnverifiedWebhookError(f"It was signed {-age_seconds:.0f} s in the future.")


def _sign(secret: str, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(_decode_secret(secret), signed, "sha256"))


def _decode_secret(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("A secret is `whsec_` and base64.") from exc
    if not key:
        raise ValueError("A secret is `whsec_` and base64.")
    return key
