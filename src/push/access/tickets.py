"""One-time tickets: how a browser, which can set no header on a WebSocket, shows who it is.

A ticket is random, lives for a minute at most, is spent by its first use and is stored as its hash only.
"""

from __future__ import annotations

import hashlib

TICKET_SECONDS = 60


def hash_ticket(ticket: str) -> str:
    """Return what is stored of a ticket. It is random enough (256 bits) that a plain hash can't be searched."""
    return hashlib.sha256(ticket.encode()).hexdigest()
