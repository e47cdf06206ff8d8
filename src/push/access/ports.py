"""The outside as access sees it: tokens, tickets, and records of connections."""

from __future__ import annotations

from typing import Protocol

from push.access.connections import Connection
from push.access.tokens import Identity


class ConnectionRecords(Protocol):
    """Who is connected. Rows that carry `disconnected_at` are tombstones and count as absent."""

    def record(self, connection: Connection) -> bool:
        """Write a connection; False if it has ended already. Idempotent. Raises TransientError."""

    def end(self, connection_id: str, now_ms: int) -> None:
        """Remove a connection, or keep it from being recorded later. Idempotent. Raises TransientError."""


class Tickets(Protocol):
    """Tickets that were issued and are not yet spent; `now` is in seconds since 1970."""

    def issue(self, ticket: str, identity: Identity, now: float) -> None:
        """Remember a ticket for `TICKET_SECONDS`. Raises TransientError."""

    def spend(self, ticket: str, now: float) -> Identity | None:
        """Return whom a ticket was issued to and forget it, atomically; None if it is unknown, spent or too old.

        Raises TransientError, and then the ticket may have been spent.
        """


class TokenVerifier(Protocol):
    """Who checks tokens."""

    def verify(self, token: str, now: float) -> Identity:
        """Return whom a token stands for; `now` is in seconds since 1970.

        Raises CredentialRefusedError, or TransientError if the keys can't be had.
        """
