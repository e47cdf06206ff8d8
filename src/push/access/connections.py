"""The record of a connection, its lifetime, and the subprotocol."""

from __future__ import annotations

import msgspec

from push.callers import Caller

CONNECTION_SECONDS = 2 * 3600 + 15 * 60
"""Longer than a connection lasts: API Gateway closes it after 2 h (API Gateway quotas, "WebSocket API")."""

TOMBSTONE_SECONDS = 5 * 60
"""How long the tombstone of a connection that ended is kept; longer than any invocation takes."""

SUBPROTOCOL = "pushaside.v1"


class Connection(msgspec.Struct, frozen=True):
    """One open connection; `connected_at_ms` is in milliseconds since 1970, `expires_at` in seconds."""

    caller: Caller
    connected_at_ms: int

    @property
    def expires_at(self) -> int:
        """Return when the row expires, if nothing removes it before."""
        return self.connected_at_ms // 1000 + CONNECTION_SECONDS


def choose_subprotocol(offered: str) -> str | None:
    """Return the subprotocol to select from a client's comma-separated offer, or None (RFC 6455, 4.2.2)."""
    return SUBPROTOCOL if SUBPROTOCOL in (part.strip() for part in offered.split(",")) else None
