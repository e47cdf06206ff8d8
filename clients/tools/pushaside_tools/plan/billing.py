"""The billed units of messages, queue calls and pings: the arithmetic of docs/cost.md."""

from __future__ import annotations

import math

UNIT_BYTES = 32 * 1024
"""API Gateway bills each 32 KB of a message, in or out, as a message. This is also the largest frame."""
MESSAGE_BYTES = 128 * 1024
"""A larger message is sent in chunks of a frame each."""
LINK_BYTES = 512 * 1024
"""A result of this size or more is stored and linked to."""
ENVELOPE_BYTES = 181
"""The bytes of a result besides its data."""
LINK_MESSAGE_BYTES = 1_633
BATCH = 10
PING_SECONDS = 540
SUBSCRIBED_PING_SECONDS = 120
"""A client with subscriptions pings more often, to notice a silently lost connection before it misses updates."""


def units_of(size_bytes: float) -> int:
    """Return the number of messages that a message of this size is billed as.

    >>> units_of(470), units_of(32 * 1024), units_of(117_344)
    (1, 1, 4)
    """
    return max(1, math.ceil(size_bytes / UNIT_BYTES))


def queued_calls(messages: float) -> float:
    """Return the SQS calls of messages that are sent one by one, and received and deleted in batches of ten.

    >>> queued_calls(10)
    12.0
    """
    return messages * (1 + 2 / BATCH)


def pings_per_second(connections: float, seconds_between_messages: float, after_seconds: float = PING_SECONDS) -> float:
    """Return the pings a second of clients that are otherwise silent for too long. Each ping has a pong.

    >>> pings_per_second(5400, float("inf")), pings_per_second(5400, 60)
    (10.0, 0.0)
    """
    return connections / after_seconds if seconds_between_messages > after_seconds else 0.0
