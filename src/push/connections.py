"""What is remembered of a connection, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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


class ConnectionRecords(Protocol):
    """Who is connected. Rows that carry `disconnected_at` are tombstones and count as absent."""

    def record(self, connection: Connection) -> bool:
        """Write a connection; False if it has ended already. Idempotent. Raises TransientError."""

    def end(self, connection_id: str, now_ms: int) -> None:
        """Remove a connection, or keep it from being recorded later. Idempotent. Raises TransientError."""


def choose_subprotocol(offered: str) -> str | None:
    """Return the subprotocol to answer with, of the comma-separated list a client offered (RFC 6455, 4.2.2)."""
    return SUBPROTOCOL if SUBPROTOCOL in (part.strip() for part in offered.split(",")) else None
