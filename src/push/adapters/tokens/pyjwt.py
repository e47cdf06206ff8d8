"""Verification of token signatures by PyJWT; `push.access.tokens` checks the claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from push.access.tokens import ClaimRules, CredentialRefusedError, Identity, read_identity


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key and its only algorithm, which overrides the algorithm in a token's header.

    A key without a `key_id` may verify any token.
    """

    algorithm: str
    key: Any = field(repr=False)
    key_id: str | None = None

    def fits(self, key_id: str | None) -> bool:
        """Return whether the key may verify a token with this `kid`."""
        return self.key_id is None or key_id is None or self.key_id == key_id


class KeySource(Protocol):
    """A source of the token issuer's keys."""

    def find(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Return the keys that may verify a token with this `kid`. Raises TransientError."""

    def find_newer(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Refresh the keys, unless that happened a moment ago, and return the keys that fit.

        For tokens that no key of `find` verified. Raises TransientError.
        """


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
