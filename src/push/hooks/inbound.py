"""Verification of inbound webhooks: signatures, and detection of repeats.

| scheme | headers | what is signed | id |
| --- | --- | --- | --- |
| `standard` | `webhook-id`, `-timestamp`, `-signature` | id, time and body: HMAC-SHA256 or Ed25519 | `webhook-id` |
| `github` | `X-Hub-Signature-256`, `X-GitHub-Delivery` | the body: HMAC-SHA256 | `X-GitHub-Delivery` |
| `stripe` | `Stripe-Signature` | time and body: HMAC-SHA256 | `id` in the body |

Sources: the Standard Webhooks specification 1.0.0; "Validating webhook deliveries", GitHub Docs; "Resolve webhook
signature verification errors", Stripe Docs. A source may have several valid secrets, so that they can be rotated.

The identity of a webhook must be covered by its signature; otherwise an attacker could replay a recorded webhook under
a new identity. GitHub signs neither the id nor a time, so there the identity is the hash of the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar, assert_never

import msgspec

from push.errors import ErrorCode, RequestError, SettingsError
from push.hooks.ports import SeenHooks
from push.hooks.sources import HEADERS, HookScheme, HookSource

TOLERANCE_SECONDS = 300
"""The largest difference between the signed time and the local clock, as Stripe and Standard Webhooks recommend."""

MAX_ID_CHARACTERS = 256

MAX_SIGNATURES = 8
"""The most signatures checked for one webhook; senders send one for each of their secrets."""

MIN_KEY_BYTES = 16

CLAIM_SECONDS = 60
"""How long a worker's claim on a webhook lasts unless it ends it; longer than the function may run."""

_DAY = 24 * 3600
MEMORY_SECONDS: dict[HookScheme, int] = {
    HookScheme.STANDARD: 3 * _DAY,
    HookScheme.GITHUB: 30 * _DAY,
    HookScheme.STRIPE: 3 * _DAY,
}
"""How long a webhook is remembered. Signed times make a replay useless after minutes, but senders retry for days.
GitHub's webhooks have no time, so a recorded one can be replayed once it is forgotten."""

_PUBLIC_KEY_PREFIX = "whpk_"
_SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix
_decoder = msgspec.json.Decoder(dict[str, object])
_SECONDS = re.compile(r"[0-9]{1,12}")

Published = TypeVar("Published")


class HookRefusedError(RequestError):
    """A webhook has no valid signature.

    The sentence is always the same, because details would help a forger; `reason` is for the log.
    """

    default_code: ClassVar[ErrorCode] = ErrorCode.UNAUTHORIZED

    def __init__(self, reason: str) -> None:
        super().__init__("The webhook's signature is missing or invalid for this source.")
        self.reason = reason


class Hook(msgspec.Struct, frozen=True):
    """A webhook as received; header names are in lower case, and the body is exactly the bytes sent."""

    headers: Mapping[str, str]
    body: bytes


class VerifiedHook(msgspec.Struct, frozen=True):
    """A webhook with a valid signature. `id` is the sender's; webhooks with the same `identity` are repeats."""

    id: str
    identity: str
    body: bytes
    content: Mapping[str, object]
    headers: Mapping[str, str]


def receive_hook(
    hook: VerifiedHook, source: HookSource, seen: SeenHooks, publish: Callable[[str], Published]
) -> Published | None:
    """Publish a verified webhook to its topic; return None if it was published before.

    No webhook is lost to an error, because the sender retries after one. A webhook is remembered after it was
    published; a worker that dies in between leaves a claim that expires. Then the webhook is published twice, and its
    identity tells the copies.

    Args:
        hook: what `verify_hook` returned.
        source: the sender.
        seen: the memory of earlier webhooks.
        publish: is called with the topic's name; its exceptions propagate.

    Raises:
        UnmappedHookError: the body names no topic.
        TransientError: the memory does not answer, or another worker holds the claim.

    """
    topic = source.name_topic(hook.content, hook.headers)
    if not seen.first_time(source.name, hook.identity, CLAIM_SECONDS):
        return None
    try:
        published = publish(topic)
    except Exception:
        seen.forget(source.name, hook.identity)
        raise
    seen.remember(source.name, hook.identity, MEMORY_SECONDS[source.scheme])
    return published


def verify_hook(source: HookSource, secrets: Sequence[str], hook: Hook, now: float) -> VerifiedHook:
    """Verify the signature of a webhook; `now` is in seconds since 1970.

    Raises:
        HookRefusedError: no secret matches the signature, or the signature is too old.
        RequestError: the signature is valid, but the body is not a JSON object or there is no usable id.
        SettingsError: a secret does not fit the scheme.

    """
    match source.scheme:
        case HookScheme.STANDARD:
            _verify_standard(hook, secrets, now)
        case HookScheme.GITHUB:
            _verify_github(hook, secrets)
        case HookScheme.STRIPE:
            _verify_stripe(hook, secrets, now)
        case _:
            assert_never(source.scheme)
    content = _parse(hook.body)
    hook_id = _checked_id(_find_id(source.scheme, hook, content))
    identity = hashlib.sha256(hook.body).hexdigest() if source.scheme is HookScheme.GITHUB else hook_id
    headers = {name: hook.headers[name] for name in HEADERS[source.scheme] if name in hook.headers}
    return VerifiedHook(id=hook_id, identity=identity, body=hook.body, content=content, headers=headers)


def _verify_standard(hook: Hook, secrets: Sequence[str], now: float) -> None:
    hook_id, timestamp = _header(hook, "webhook-id"), _header(hook, "webhook-timestamp")
    pairs = [mark.partition(",") for mark in _header(hook, "webhook-signature").split(" ")[:MAX_SIGNATURES]]
    hmacs = [given for version, _, given in pairs if version == "v1"]
    signatures = [given for version, _, given in pairs if version == "v1a"]
    signed = _encode(f"{hook_id}.{timestamp}.") + hook.body
    public_keys = [secret for secret in secrets if secret.startswith(_PUBLIC_KEY_PREFIX)]
    shared = [_standard_key(secret, _SECRET_PREFIX) for secret in secrets if secret not in public_keys]
    if not (
        any(_is_among(base64.b64encode(_mac(key, signed)), hmacs) for key in shared)
        or any(_is_signed(_standard_key(key, _PUBLIC_KEY_PREFIX), signed, signatures) for key in public_keys)
    ):
        raise HookRefusedError("no signature fits")
    _check_time(timestamp, now)


def _verify_github(hook: Hook, secrets: Sequence[str]) -> None:
    given = _header(hook, "x-hub-signature-256")
    if not any(_is_among(b"sha256=" + _hex_mac(_raw_key(secret), hook.body), [given]) for secret in secrets):
        raise HookRefusedError("no signature fits")


def _verify_stripe(hook: Hook, secrets: Sequence[str], now: float) -> None:
    pairs = [part.strip().partition("=") for part in _header(hook, "stripe-signature").split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"][:MAX_SIGNATURES]
    if len(timestamps) != 1:
        raise HookRefusedError("no single time in Stripe-Signature")
    signed = _encode(timestamps[0]) + b"." + hook.body
    if not any(_is_among(_hex_mac(_raw_key(secret), signed), given) for secret in secrets):
        raise HookRefusedError("no signature fits")
    _check_time(timestamps[0], now)


def _header(hook: Hook, name: str) -> str:
    value = hook.headers.get(name, "")
    if not value:
        raise HookRefusedError(f"no header {name}")
    return value


def _check_time(timestamp: str, now: float) -> None:
    # Checked after the signature, so that a forger learns nothing about the clock.
    if _SECONDS.fullmatch(timestamp) is None:
        raise HookRefusedError("the time is no number of seconds")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise HookRefusedError(f"signed {now - int(timestamp):.0f} s ago")


def _checked_id(hook_id: object) -> str:
    if not isinstance(hook_id, str) or not 0 < len(hook_id) <= MAX_ID_CHARACTERS or not hook_id.isprintable():
        raise RequestError("The webhook has no id of 1 to 256 printable characters.")
    return hook_id


def _parse(body: bytes) -> dict[str, object]:
    # All three schemes send objects. Standard Webhooks depends on it: dots separate id, time and body, and a body that
    # begins with a brace can't be passed off as part of the time.
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RequestError(
            "The webhook's body is not a JSON object. Configure the sender to send application/json.",
            code=ErrorCode.INVALID_JSON,
        ) from exc


def _find_id(scheme: HookScheme, hook: Hook, content: Mapping[str, object]) -> object:
    match scheme:
        case HookScheme.STANDARD:
            return hook.headers["webhook-id"]
        case HookScheme.GITHUB:
            return hook.headers.get("x-github-delivery")
        case HookScheme.STRIPE:
            return content.get("id")
        case _:
            assert_never(scheme)


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")


def _hex_mac(key: bytes, signed: bytes) -> bytes:
    return _mac(key, signed).hex().encode()


def _encode(text: str) -> bytes:
    # A header can hold characters that UTF-8 can't encode; no signature matches those.
    return text.encode(errors="replace")


def _is_among(expected: bytes, given: Sequence[str]) -> bool:
    """Compare text with text in constant time; a signature in any other spelling does not match."""
    return any(hmac.compare_digest(expected, _encode(candidate)) for candidate in given)


def _is_signed(public_key: bytes, signed: bytes, signatures: Sequence[str]) -> bool:
    # Imported here so that only sources with Ed25519 signatures load it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        verifier = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as exc:
        raise SettingsError("A public key of a webhook source is not an Ed25519 key.") from exc
    for signature in signatures:
        try:
            verifier.verify(base64.b64decode(signature, validate=True), signed)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def _standard_key(secret: str, prefix: str) -> bytes:
    text = secret.removeprefix(prefix)
    try:
        # Some senders omit the padding.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise SettingsError("A secret of a webhook source is not base64.") from exc
    return _long_enough(key)


def _raw_key(secret: str) -> bytes:
    return _long_enough(secret.encode())


def _long_enough(key: bytes) -> bytes:
    # Anyone can compute an HMAC with an empty key.
    if len(key) < MIN_KEY_BYTES:
        raise SettingsError(f"A secret of a webhook source is shorter than {MIN_KEY_BYTES} bytes.")
    return key
