"""Tokens for a service with a shared secret: JWTs (RFC 7519), signed by HS256 (RFC 7518, 3.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from types import MappingProxyType

import orjson

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: the key must be at least as long as the hash."""

_TENANT = re.compile("[A-Za-z0-9_.-]{1,64}")
_MAX_PRINCIPAL_CHARACTERS = 256
_HEADER = {"alg": "HS256", "typ": "JWT"}


def sign_token(
    secret: bytes,
    tenant: str,
    principal: str,
    expires_at: float,
    *,
    issuer: str = "",
    audience: str = "",
    claims: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Return a signed token; `expires_at` is in seconds since 1970. An empty issuer or audience is left out.

    `claims` are further ones, for rules of computes; they replace none of those above.

    >>> token = sign_token(b"0123456789abcdef0123456789abcdef", "acme", "ada", 1893456000)
    >>> token.split(".")[0]
    'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9'

    Raises:
        ValueError: secret, tenant or principal is invalid.

    """
    check_secret(secret)
    check_tenant(tenant)
    check_principal(principal)
    named: dict[str, object] = {"sub": principal, "tenant": tenant, "exp": math.ceil(expires_at)}
    named |= {name: value for name, value in (("iss", issuer), ("aud", audience)) if value}
    signed = b".".join((_encode(orjson.dumps(_HEADER)), _encode(orjson.dumps({**claims, **named}))))
    signature = hmac.digest(secret, signed, hashlib.sha256)
    return b".".join((signed, _encode(signature))).decode()


def check_secret(secret: bytes) -> None:
    """Check that a secret is long enough.

    Raises:
        ValueError: it is not.

    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"The secret is shorter than {MIN_SECRET_BYTES} bytes.")


def check_tenant(tenant: str) -> None:
    """Check the name of a tenant.

    Raises:
        ValueError: it is invalid; the sentence says why.

    """
    if not _TENANT.fullmatch(tenant):
        raise ValueError("A tenant is 1 to 64 letters, digits, '_', '.' and '-'.")


def check_principal(principal: str) -> None:
    """Check the name of a principal.

    Raises:
        ValueError: it is invalid; the sentence says why.

    """
    if not 0 < len(principal) <= _MAX_PRINCIPAL_CHARACTERS or not principal.isprintable():
        raise ValueError(f"A principal is 1 to {_MAX_PRINCIPAL_CHARACTERS} printable characters.")


def _encode(data: bytes) -> bytes:
    """Encode as base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")
