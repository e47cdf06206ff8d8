"""Keys and signatures of webhooks (Standard Webhooks 1.0).

A tenant's keys are derived from the service's master secrets. So no key is stored, and no tenant's keys reveal
another's. During a rotation there are two master secrets, and every webhook is signed with both, so receivers may
change keys at any time between two rotations.

Source: github.com/standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from push.computes import Tenant

MIN_MASTER_BYTES = 32


class PublishedKeys(msgspec.Struct, frozen=True):
    """The keys with which a tenant's receivers verify webhooks, newest first; either kind is enough.

    `secrets` verify `v1` signatures (HMAC-SHA256) and must stay secret; `public_keys` verify `v1a` (ed25519).
    """

    secrets: tuple[str, ...]
    public_keys: tuple[str, ...]


def public_keys(masters: Sequence[bytes], tenant: Tenant) -> PublishedKeys:
    """Return the keys of a tenant.

    Args:
        masters: the master secrets, the current one first.
        tenant: the owner of the keys.

    """
    return PublishedKeys(
        secrets=tuple(f"whsec_{_base64(_symmetric_key(master, tenant))}" for master in masters),
        public_keys=tuple(
            f"whpk_{_base64(_private_key(master, tenant).public_key().public_bytes_raw())}" for master in masters
        ),
    )


def sign(
    masters: Sequence[bytes], tenant: Tenant, webhook_id: str, timestamp_seconds: int, body: bytes
) -> dict[str, str]:
    """Return the headers that let a receiver verify a webhook.

    Args:
        masters: the master secrets; each makes both kinds of signature.
        tenant: the owner of the webhook.
        webhook_id: the same at every attempt; holds no `.`, which separates the signed parts.
        timestamp_seconds: the time of this attempt, since 1970.
        body: the exact bytes of the request.

    """
    content = f"{webhook_id}.{timestamp_seconds}.".encode() + body
    signatures = [f"v1,{_base64(hmac.digest(_symmetric_key(each, tenant), content, 'sha256'))}" for each in masters]
    signatures += [f"v1a,{_base64(_private_key(each, tenant).sign(content))}" for each in masters]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": " ".join(signatures),
    }


def _symmetric_key(master: bytes, tenant: Tenant) -> bytes:
    return hmac.digest(master, f"pushaside webhook v1 {tenant}".encode(), "sha256")


def _private_key(master: bytes, tenant: Tenant) -> Ed25519PrivateKey:
    seed = hmac.digest(master, f"pushaside webhook v1a {tenant}".encode(), "sha256")
    return Ed25519PrivateKey.from_private_bytes(seed)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
