"""The sender of a message, as API Gateway's authorizer identified it at the handshake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from push.computes import Tenant
from push.keys import parse_tenant

ANYBODY_TENANT = "public"
ANYBODY_PRINCIPAL = "anonymous"


class Caller(msgspec.Struct, frozen=True):
    """One connection, with its tenant and principal."""

    tenant: Tenant
    principal: str
    connection_id: str
    connected_at_ms: int = 0


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
    )
