"""One-time tickets: how a browser, which can set no header on a WebSocket, shows who it is.

A ticket is random, lives for a minute at most, is spent by its first use and is stored as its hash only.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from push.tokens import Identity

TICKET_SECONDS = 60


class Tickets(Protocol):
    """Tickets that were issued and are not yet spent; `now` is in seconds since 1970."""

    def issue(self, ticket: str, identity: Identity, now: float) -> None:
        """Remember a ticket for `TICKET_SECONDS`. Raises TransientError."""

    def spend(self, ticket: str, now: float) -> Identity | None:
        """Return whom a ticket was issued to and forget it, atomically; None if it is unknown, spent or too old.

        Raises TransientError, and then the ticket may have been spent.
        """


def hash_ticket(ticket: str) -> str:
    """Return what is stored of a ticket. It is random enough (256 bits) that a plain hash can't be searched."""
    return hashlib.sha256(ticket.encode()).hexdigest()
