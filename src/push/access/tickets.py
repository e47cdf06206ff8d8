"""One-time tickets: credentials for browsers, which can't set headers on a WebSocket.

A ticket is random, expires after a minute, works once, and is stored only as its hash.
"""

from __future__ import annotations

import hashlib

TICKET_SECONDS = 60


def hash_ticket(ticket: str) -> str:
    """Return the stored hash of a ticket. A ticket has 256 random bits, so a plain hash can't be searched."""
    return hashlib.sha256(ticket.encode()).hexdigest()
