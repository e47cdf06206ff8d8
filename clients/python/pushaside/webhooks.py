"""Webhooks as their receivers see them: whether they are the service's, and what they say.

They follow Standard Webhooks 1.0 (https://www.standardwebhooks.com): each carries the headers `webhook-id`, the same
for every attempt, `webhook-timestamp`, the seconds since 1970 of this attempt, and `webhook-signature`, one or more
signatures of `{id}.{timestamp}.{body}`. Of their two kinds `v1`, HMAC-SHA256, is verified here.
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
"""Webhooks signed longer ago, or so far ahead, may have been recorded and sent again."""

SECRET_PREFIX = "whsec_"  # noqa: S105  (the prefix of a secret is none)


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """What a webhook says: `answer` is what the request ended in, `data` the JSON of the result as it was sent.

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
    """Check that a webhook was signed with one of these secrets, and lately; return its id.

    The same id may come again: that webhook was received already, and should be answered 2xx once more and left at
    that. `headers` may be in any case; `now` is the time in seconds since 1970, if not that of the clock.

    Raises:
        UnverifiedWebhookError: it is not proven to be the service's; the sentence says why.
        ValueError: a secret is none.

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
    # Every pair is compared, in a time that tells nothing of where they differ.
    if sum(hmac.compare_digest(one, other) for one in expected for other in given) == 0:
        raise UnverifiedWebhookError("The signature is made with none of the known secrets.", is_unknown_signature=True)
    return webhook_id


def sign_webhook(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Write the `webhook-signature` that the owner of a secret makes; for tests of receivers.

    >>> sign_webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
    ...              b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    return "v1," + _sign(secret, f"{webhook_id}.{timestamp}.".encode() + body).decode()


def check_secret(secret: str) -> None:
    """Check that a secret can be one.

    Raises:
        ValueError: it can't.

    """
    _decode_secret(secret)


def read_webhook(body: bytes, max_bytes: int = RESULT_BYTES) -> ReceivedWebhook:
    """Read what a webhook says.

    Raises:
        UnreadableResultError: it is not of the documented form.

    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise UnreadableResultError(f"The webhook is not JSON: {exc}.") from exc
    if not isinstance(fields, dict) or not isinstance(message := fields.get("data"), dict):
        raise UnreadableResultError("The webhook does not say what the request ended in.")
    answer = read_fields(message, max_bytes)
    if not isinstance(answer, Result | Linked | Failed):
        raise UnreadableResultError("The webhook does not say what the request ended in.")
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
