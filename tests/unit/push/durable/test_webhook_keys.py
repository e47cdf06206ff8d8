"""Webhooks are signed so that anybody's Standard Webhooks library verifies them, with the old key or the new."""

from __future__ import annotations

import base64
import json
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from push.computes import Tenant
from push.durable.webhook_keys import public_keys, sign

CURRENT, PREVIOUS, NEXT = b"c" * 32, b"p" * 32, b"n" * 32
ACME, GLOBEX = Tenant("acme"), Tenant("globex")
BODY = '{"type":"request.done","data":{"text":"grüße"}}'.encode()


def signed(masters: list[bytes], tenant: Tenant = ACME) -> dict[str, str]:
    return sign(masters, tenant, "msg_1", int(time.time()), BODY)


def verify_v1a(public_key: str, headers: dict[str, str], body: bytes) -> bool:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signatures = [each.split(",", 1) for each in headers["webhook-signature"].split(" ")]
    for version, signature in signatures:
        if version == "v1a":
            try:
                key.verify(base64.b64decode(signature), content)
            except InvalidSignature:
                continue
            return True
    return False


@pytest.mark.parametrize("index", [0, 1])
def test_both_secrets_verify_while_the_master_is_rotated(index: int) -> None:
    secret = public_keys([CURRENT, PREVIOUS], ACME).secrets[index]
    assert Webhook(secret).verify(BODY, signed([CURRENT, PREVIOUS])) == json.loads(BODY)


@pytest.mark.parametrize("index", [0, 1])
def test_both_public_keys_verify_while_the_master_is_rotated(index: int) -> None:
    key = public_keys([CURRENT, PREVIOUS], ACME).public_keys[index]
    assert verify_v1a(key, signed([CURRENT, PREVIOUS]), BODY)


def test_a_receiver_that_changes_its_key_late_verifies_all_through_a_rotation() -> None:
    secret = public_keys([CURRENT], ACME).secrets[0]
    Webhook(secret).verify(BODY, signed([CURRENT]))
    Webhook(secret).verify(BODY, signed([NEXT, CURRENT]))


def test_a_key_is_of_no_use_after_the_next_rotation() -> None:
    keys = public_keys([PREVIOUS], ACME)
    headers = signed([NEXT, CURRENT])
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.secrets[0]).verify(BODY, headers)
    assert not verify_v1a(keys.public_keys[0], headers, BODY)


def test_one_tenants_keys_verify_nothing_of_anothers() -> None:
    keys = public_keys([CURRENT], GLOBEX)
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.secrets[0]).verify(BODY, signed([CURRENT]))
    assert not verify_v1a(keys.public_keys[0], signed([CURRENT]), BODY)


@pytest.mark.parametrize(
    "change", [{"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(time.time()) - 1)}], ids=["id", "time"]
)
def test_id_and_time_are_signed(change: dict[str, str]) -> None:
    keys = public_keys([CURRENT], ACME)
    headers = signed([CURRENT]) | change
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.secrets[0]).verify(BODY, headers)
    assert not verify_v1a(keys.public_keys[0], headers, BODY)


def test_the_body_is_signed() -> None:
    keys = public_keys([CURRENT], ACME)
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.secrets[0]).verify(BODY + b" ", signed([CURRENT]))
    assert not verify_v1a(keys.public_keys[0], signed([CURRENT]), BODY + b" ")


def test_keys_are_shown_as_standard_webhooks_writes_them() -> None:
    keys = public_keys([CURRENT], ACME)
    assert keys.secrets[0].startswith("whsec_")
    assert keys.public_keys[0].startswith("whpk_")
    for key in (*keys.secrets, *keys.public_keys):
        assert len(base64.b64decode(key.partition("_")[2], validate=True)) == 32
