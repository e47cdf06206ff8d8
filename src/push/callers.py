"""The sender of a message, as API Gateway's authorizer identified it at the handshake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from push.computes import Tenant
from push.keys import parse_tenant

ANYBODY_TENANT = "public"
ANYBODY_PRINCIPAL = "anonymous"

MAX_CLAIMS_BYTES = 4096
"""The most claims, as JSON, that travel with a caller."""


class JsonClaims(Mapping[str, Any]):
    """Claims as the text of a JSON object, decoded when they are first read: most messages never need them."""

    __slots__ = ("_decoded", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._decoded: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a claim is any JSON value
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __hash__(self) -> int:
        return hash(frozenset(self._read()))

    def __repr__(self) -> str:
        return repr(self._read())

    def _read(self) -> dict[str, Any]:
        if self._decoded is None:
            self._decoded = msgspec.json.decode(self.text, type=dict[str, Any]) if self.text else {}
        return self._decoded


NO_CLAIMS = JsonClaims("")


class Caller(msgspec.Struct, frozen=True):
    """The tenant, the principal and the token's claims of a caller; without a socket `connection_id` is empty."""

    tenant: Tenant
    principal: str
    connection_id: str = ""
    connected_at_ms: int = 0
    claims: Mapping[str, Any] = NO_CLAIMS


def serialize_claims(claims: Mapping[str, Any]) -> str:
    """Return claims as a JSON object; an empty text if there are none."""
    if isinstance(claims, JsonClaims):
        return claims.text
    return msgspec.json.encode(dict(claims)).decode() if claims else ""


def read_caller(request_context: Mapping[str, Any]) -> Caller:
    """Read the caller from a WebSocket event's `requestContext`.

    Without an authorizer, every caller belongs to one public tenant.

    Raises:
        RequestError: the authorizer's tenant is not a valid name (`forbidden`).

    """
    authorizer = request_context.get("authorizer") or {}
    return Caller(
        tenant=parse_tenant(authorizer.get("tenant", ANYBODY_TENANT)),
        principal=authorizer.get("principal", ANYBODY_PRINCIPAL),
        connection_id=request_context["connectionId"],
        connected_at_ms=request_context.get("connectedAt", 0),
        claims=JsonClaims(authorizer["claims"]) if "claims" in authorizer else NO_CLAIMS,
    )
