"""What is remembered of a connection, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from push.callers import Caller

CONNECTION_SECONDS = 2 * 3600 + 15 * 60
"""A row outlives the connection: API Gateway closes after 2 h (API Gateway quotas, "WebSocket API")."""

TOMBSTONE_SECONDS = 5 * 60
"""How long a connection that ended before it was recorded is remembered; longer than any invocation takes."""

SUBPROTOCOL = "pushaside.v1"


@dataclass(frozen=True, slots=True)
class Connection:
    """One open connection; `connected_at_ms` is in milliseconds, `expires_at` in seconds since 1970."""

    caller: Caller
    connected_at_ms: int

    @property
    def expires_at(self) -> int:
        """When the row may be removed, should nothing else have removed it."""
        return self.connected_at_ms // 1000 + CONNECTION_SECONDS


def choose_subprotocol(offered: str) -> str | None:
    """Return the subprotocol to answer with, of the comma-separated list a client offered (RFC 6455, 4.2.2)."""
    return SUBPROTOCOL if SUBPROTOCOL in (part.strip() for part in offered.split(",")) else None
