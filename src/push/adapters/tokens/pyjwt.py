"""Tokens verified by PyJWT: the signature here, the claims in `push.access.tokens`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from push.access.tokens import ClaimRules, CredentialRefusedError, Identity, read_identity


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key with the one algorithm it is for: what a token's header says of its algorithm decides nothing.

    Without a `key_id` any token may be signed with it.
    """

    algorithm: str
    key: Any = field(repr=False)
    key_id: str | None = None

    def fits(self, key_id: str | None) -> bool:
        """Say whether a token with this `kid` may be signed with the key."""
        return self.key_id is None or key_id is None or self.key_id == key_id


class KeySource(Protocol):
    """Where the keys of the token issuer come from."""

    def find(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Return the keys that a token with this `kid` may be signed with. Raises TransientError."""

    def find_newer(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Do the same after none of those found fitted: look for new keys, unless that was done just now."""


class PyJwtVerifier:
    """`push.access.ports.TokenVerifier` by PyJWT."""

    def __init__(self, keys: KeySource, rules: ClaimRules) -> None:
        self._keys = keys
        self._rules = rules

    def verify(self, token: str, now: float) -> Identity:
        """See `TokenVerifier.verify`."""
        key_id = _read_key_id(token)
        payload = _verify_signature(token, self._keys.find(key_id))
        if payload is None:
            payload = _verify_signature(token, self._keys.find_newer(key_id))
        if payload is None:
            raise CredentialRefusedError("The token is signed by no key of the issuer.")
        return read_identity(payload, self._rules, now)


def _read_key_id(token: str) -> str | None:
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise CredentialRefusedError("The token is no JWT.") from exc
    return key_id if isinstance(key_id, str) else None


def _verify_signature(token: str, keys: Sequence[VerificationKey]) -> bytes | None:
    for key in keys:
        try:
            payload: bytes = jwt.PyJWS().decode(token, key.key, algorithms=[key.algorithm])
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            continue
        except (jwt.PyJWTError, ValueError, RecursionError) as exc:
            raise CredentialRefusedError("The token is no JWT.") from exc
        return payload
    return None
