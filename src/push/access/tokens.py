"""Validation of a JWT's claims (RFC 7519), after its signature was verified."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from push.callers import ANYBODY_PRINCIPAL, ANYBODY_TENANT
from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.keys import parse_tenant

LEEWAY_SECONDS = 5
"""Tolerated difference between the clocks of issuer and verifier."""

MAX_PRINCIPAL_CHARACTERS = 256


class CredentialRefusedError(RequestError):
    """A credential is missing or invalid. The sentence says why, and contains no part of the credential."""

    default_code: ClassVar[ErrorCode] = ErrorCode.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class Identity:
    """The tenant and principal that a credential identifies."""

    tenant: Tenant
    principal: str


ANYBODY = Identity(tenant=Tenant(ANYBODY_TENANT), principal=ANYBODY_PRINCIPAL)
"""The identity of every caller where no credential is required."""


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """The expected issuer and audience; an empty one is not checked."""

    issuer: str = ""
    audience: str = ""


class _Claims(msgspec.Struct, frozen=True):
    exp: float
    sub: str
    tenant: str
    nbf: float = -math.inf
    iss: str = ""
    aud: str | list[str] = ""


_claims_decoder = msgspec.json.Decoder(_Claims)


def read_identity(payload: bytes, rules: ClaimRules, now: float) -> Identity:
    """Validate the claims of a token with a valid signature; `now` is in seconds since 1970.

    `exp`, `sub` and `tenant` are required.

    Raises:
        CredentialRefusedError: a claim is missing, malformed or not satisfied.

    """
    try:
        claims = _claims_decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise CredentialRefusedError(f"A claim of the token is missing or malformed: {exc}.") from exc
    _check_times(claims, now)
    _check_addressee(claims, rules)
    return Identity(tenant=_read_tenant(claims.tenant), principal=_read_principal(claims.sub))


def _check_times(claims: _Claims, now: float) -> None:
    if now >= claims.exp + LEEWAY_SECONDS:
        raise CredentialRefusedError("The token has expired.")
    if now + LEEWAY_SECONDS < claims.nbf:
        raise CredentialRefusedError("The token is not valid yet.")


def _check_addressee(claims: _Claims, rules: ClaimRules) -> None:
    if rules.issuer and claims.iss != rules.issuer:
        raise CredentialRefusedError("The token has a different issuer.")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if rules.audience and rules.audience not in audiences:
        raise CredentialRefusedError("The token has a different audience.")


def _read_tenant(text: str) -> Tenant:
    try:
        return parse_tenant(text)
    except RequestError as exc:
        raise CredentialRefusedError(exc.message) from exc


def _read_principal(text: str) -> str:
    if not 0 < len(text) <= MAX_PRINCIPAL_CHARACTERS or not text.isprintable():
        raise CredentialRefusedError(
            f"The token's subject is empty, longer than {MAX_PRINCIPAL_CHARACTERS} characters, or not printable."
        )
    return text
