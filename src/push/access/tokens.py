"""What a token must say: the claims of a JWT (RFC 7519), once its signature has been verified."""

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
"""How far the clocks of issuer and verifier may differ."""

MAX_PRINCIPAL_CHARACTERS = 256


class CredentialRefusedError(RequestError):
    """A credential is missing or not valid. The sentence says why, and holds nothing of the credential."""

    default_code: ClassVar[ErrorCode] = ErrorCode.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a credential stands for."""

    tenant: Tenant
    principal: str


ANYBODY = Identity(tenant=Tenant(ANYBODY_TENANT), principal=ANYBODY_PRINCIPAL)
"""Everybody, where no credential is asked for."""


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What claims are held against; an empty issuer or audience is not checked."""

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
    """Check the claims of a token whose signature is good; `now` is in seconds since 1970.

    `exp`, `sub` and `tenant` are required.

    Raises:
        CredentialRefusedError: a claim is missing, malformed, or does not hold.

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
        raise CredentialRefusedError("The token is of another issuer.")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if rules.audience and rules.audience not in audiences:
        raise CredentialRefusedError("The token is for another audience.")


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
