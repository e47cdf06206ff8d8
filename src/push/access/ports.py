"""Ports of access control: tokens, tickets, and the records of connections."""

from __future__ import annotations

from typing import Protocol

from push.access.connections import Connection
from push.access.tokens import Identity


class ConnectionRecords(Protocol):
    """The table of connections. Rows with `disconnected_at` are tombstones and count as absent."""

    def record(self, connection: Connection) -> bool:
        """Write a connection and return True; False if it has already ended. Idempotent. Raises TransientError."""

    def end(self, connection_id: str, now_ms: int) -> None:
        """Remove a connection, or prevent a later record of it. Idempotent. Raises TransientError."""


class Tickets(Protocol):
    """Issued tickets that are not yet used; `now` is in seconds since 1970."""

    def issue(self, ticket: str, identity: Identity, now: float) -> None:
        """Store a ticket for `TICKET_SECONDS`. Raises TransientError."""

    def spend(self, ticket: str, now: float) -> Identity | None:
        """Return the identity of a ticket and remove it, atomically; None if it is unknown, used or expired.

        Raises TransientError; then the ticket may have been used.
        """


class TokenVerifier(Protocol):
    """A verifier of tokens."""

    def verify(self, token: str, now: float) -> Identity:
        """Return the identity in a token; `now` is in seconds since 1970.

        Raises CredentialRefusedError, or TransientError if the keys can't be loaded.
        """
