"""What one message, delivery, request or client costs: the arithmetic of docs/cost.md."""

from __future__ import annotations

import math

from pushaside_tools.plan import prices

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


def delivery_dollars(size_bytes: float, units: int, fetched_bytes: float | None = None) -> float:
    """Return what a million deliveries cost on their way out: units, bytes, and the fetch if it is a link.

    >>> round(delivery_dollars(470, 1), 2), round(delivery_dollars(1_633, 1, 184), 2)
    (1.04, 1.56)
    """
    fetch = 0.0 if fetched_bytes is None else prices.OBJECT_READS.of(prices.MILLION)
    out = size_bytes + (fetched_bytes or 0.0)
    return prices.MESSAGES.of(units * prices.MILLION) + prices.EGRESS.dollars * out * 1e6 / prices.GIGABYTE + fetch


def lambda_dollars(invocations: float, seconds: float, memory_megabytes: int) -> float:
    """Return what so many invocations, each of so many seconds, cost.

    >>> round(lambda_dollars(1e6, 0.005, 512), 3)
    0.233
    """
    busy = invocations * seconds * memory_megabytes / 1024
    return prices.INVOCATIONS.of(invocations) + prices.GIGABYTE_SECONDS.of(busy)


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
