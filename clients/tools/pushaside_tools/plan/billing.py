"""What one message, delivery, request or client costs: the arithmetic of docs/cost.md."""

from __future__ import annotations

import math

UNIT_BYTES = 32 * 1024
"""API Gateway bills each 32 KB of a message, in or out, as a message; it is also the largest frame."""
MESSAGE_BYTES = 128 * 1024
"""What is larger goes in chunks of a frame each."""
LINK_BYTES = 512 * 1024
"""From here on a result is stored and linked to, if it is more than a message."""
ENVELOPE_BYTES = 181
"""Of a result, beside its data."""
LINK_MESSAGE_BYTES = 1_633
BATCH = 10
PING_SECONDS = 540
SUBSCRIBED_PING_SECONDS = 120
"""Who has subscriptions pings sooner: a connection lost without a word would cost updates."""


def units_of(size_bytes: float) -> int:
    """Return how many messages one of this size is billed as.

    >>> units_of(470), units_of(32 * 1024), units_of(117_344)
    (1, 1, 4)
    """
    return max(1, math.ceil(size_bytes / UNIT_BYTES))


def queued_calls(messages: float) -> float:
    """Return the calls of SQS for so many messages: each sent alone, received and deleted in batches of ten.

    >>> queued_calls(10)
    12.0
    """
    return messages * (1 + 2 / BATCH)


def pings_per_second(connections: float, seconds_between_messages: float, after_seconds: float = PING_SECONDS) -> float:
    """Return how many pings clients send that are silent for longer than they may be; each brings a pong.

    >>> pings_per_second(5400, float("inf")), pings_per_second(5400, 60)
    (10.0, 0.0)
    """
    return connections / after_seconds if seconds_between_messages > after_seconds else 0.0
