"""Validation of a JWT's claims (RFC 7519), after its signature was verified."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from push.callers import (
    ANYBODY_PRINCIPAL,
    ANYBODY_TENANT,
    MAX_CLAIMS_BYTES,
    NO_CLAIMS,
    Caller,
    JsonClaims,
    serialize_claims,
)
from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.keys import parse_tenant

LEEWAY_SECONDS = 5
"""Tolerated difference between the clocks of issuer and verifier."""

MAX_PRINCIPAL_CHARACTERS = 256

_MAX_ESCAPED_BYTES = 7000
"""An authorizer's answer may have 8 KB (API Gateway quotas, "WebSocket API"); the rest is for its policy."""


class CredentialRefusedError(RequestError):
    """A credential is missing or invalid. The sentence says why, and contains no part of the credential."""

    default_code: ClassVar[ErrorCode] = ErrorCode.UNAUTHORIZED


class Identity(msgspec.Struct, frozen=True):
    """The tenant and principal that a credential identifies, and the claims that are forwarded with them."""

    tenant: Tenant
    principal: str
    claims: Mapping[str, Any] = NO_CLAIMS

    @property
    def caller(self) -> Caller:
        """Return the caller of an HTTP request with this identity."""
        return Caller(self.tenant, self.principal, claims=self.claims)


ANYBODY = Identity(tenant=Tenant(ANYBODY_TENANT), principal=ANYBODY_PRINCIPAL)
"""The identity of every caller where no credential is required."""


class ClaimRules(msgspec.Struct, frozen=True):
    """The rules for a token's claims, and the claims that name the tenant and the principal.

    An empty issuer or audience is not checked. With `fixed_tenant`, every token belongs to that tenant, and its tenant
    claim is not read. `forwarded` holds the paths of the claims to forward; empty forwards all.
    """

    issuer: str = ""
    audience: str = ""
    tenant_claim: str = "tenant"
    principal_claim: str = "sub"
    fixed_tenant: Tenant | None = None
    forwarded: tuple[str, ...] = ()


class _Registered(msgspec.Struct, frozen=True):
    exp: float
    nbf: float = -math.inf
    iss: str = ""
    aud: str | list[str] = ""


_registered_decoder = msgspec.json.Decoder(_Registered)
_claims_decoder = msgspec.json.Decoder(dict[str, Any])


def read_identity(payload: bytes, rules: ClaimRules, now: float) -> Identity:
    """Validate the claims of a token with a valid signature; `now` is in seconds since 1970.

    `exp` and the claims that name the tenant and the principal are required.

    Raises:
        CredentialRefusedError: a claim is missing, malformed or not satisfied, or the claims are too large to forward.

    """
    try:
        registered, claims = _registered_decoder.decode(payload), _claims_decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise CredentialRefusedError(f"A claim of the token is missing or malformed: {exc}.") from exc
    _check_times(registered, now)
    _check_addressee(registered, rules)
    tenant = rules.fixed_tenant or _read_tenant(_read_text(claims, rules.tenant_claim, "tenant"))
    principal = _read_principal(_read_text(claims, rules.principal_claim, "principal"))
    return Identity(tenant, principal, _forward(claims, rules.forwarded))


def _check_times(claims: _Registered, now: float) -> None:
    if now >= claims.exp + LEEWAY_SECONDS:
        raise CredentialRefusedError("The token has expired.")
    if now + LEEWAY_SECONDS < claims.nbf:
        raise CredentialRefusedError("The token is not valid yet.")


def _check_addressee(claims: _Registered, rules: ClaimRules) -> None:
    if rules.issuer and claims.iss != rules.issuer:
        raise CredentialRefusedError("The token has a different issuer.")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if rules.audience and rules.audience not in audiences:
        raise CredentialRefusedError("The token has a different audience.")


def _read_text(claims: Mapping[str, Any], path: str, role: str) -> str:
    text = find_claim(claims, path)
    if text is None:
        raise CredentialRefusedError(f"The token has no claim `{path}`, which names the {role} here.")
    if not isinstance(text, str):
        raise CredentialRefusedError(f"The token's claim `{path}`, which names the {role} here, is not a string.")
    return text


def _read_tenant(text: str) -> Tenant:
    try:
        return parse_tenant(text)
    except RequestError as exc:
        raise CredentialRefusedError(exc.message) from exc


def _read_principal(text: str) -> str:
    if not 0 < len(text) <= MAX_PRINCIPAL_CHARACTERS or not text.isprintable():
        raise CredentialRefusedError(
            f"The token's principal is empty, longer than {MAX_PRINCIPAL_CHARACTERS} characters, or not printable."
        )
    return text


def find_claim(claims: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - a claim is any JSON value
    """Return the claim at a path such as `app_metadata.tenant`; None if there is none.

    A claim whose own name has dots, such as `https://example.com/tenant`, comes before a nested one.
    """
    if path in claims:
        return claims[path]
    for place, character in enumerate(path):
        inner = claims.get(path[:place]) if character == "." else None
        if isinstance(inner, dict) and (found := find_claim(inner, path[place + 1 :])) is not None:
            return found
    return None


def _forward(claims: Mapping[str, Any], paths: Sequence[str]) -> JsonClaims:
    """Return the claims at some paths, each under its path; without paths all claims."""
    found = {path: claim for path in paths if (claim := find_claim(claims, path)) is not None} if paths else claims
    text = serialize_claims(found)
    # The authorizer's answer is JSON around this JSON, and every quote in it takes two bytes more.
    if len(text.encode()) > MAX_CLAIMS_BYTES or len(json.dumps(text)) > _MAX_ESCAPED_BYTES:
        raise CredentialRefusedError(
            f"The token's claims have more than {MAX_CLAIMS_BYTES} bytes of JSON. "
            "Send a token with fewer claims, or choose those to forward with FORWARDED_CLAIMS."
        )
    return JsonClaims(text)
