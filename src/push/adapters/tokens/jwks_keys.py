"""Public keys of a token issuer from its JWKS document (RFC 7517)."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from push.adapters.tokens.pyjwt import VerificationKey
from push.errors import SettingsError, TransientError

TIMEOUT_SECONDS = 3.0
MAX_DOCUMENT_BYTES = 256 * 1024
MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def fetch_jwks(url: str) -> Sequence[VerificationKey]:
    """Return the document's supported keys: RSA for RS256 and P-256 for ES256.

    Raises:
        TransientError: the document can't be fetched, or is not a JWKS.
        SettingsError: the URL is neither https nor on this machine.

    """
    try:
        document = json.loads(_read(_checked(url)))
        entries = document["keys"]
        return [key for key in map(_read_key, entries) if key is not None]
    except (OSError, HTTPException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise TransientError("The JWKS document could not be read.") from exc


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise SettingsError("JWKS_URL must begin with https://.")


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the scheme is checked
        body: bytes = response.read(MAX_DOCUMENT_BYTES + 1)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"over {MAX_DOCUMENT_BYTES} bytes")
    return body


def _read_key(entry: dict[str, Any]) -> VerificationKey | None:
    """Parse a key; return None for an unsupported kind, which a document may contain (RFC 7517, 5)."""
    if entry.get("use", "sig") != "sig" or entry.get("kty") not in {"RSA", "EC"}:
        return None
    try:
        key = jwt.PyJWK(entry).key
    except jwt.PyJWTError:
        return None
    algorithm = _algorithm(key)
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    return VerificationKey(algorithm, key, key_id=entry.get("kid"))


def _algorithm(key: object) -> str | None:
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    return None
