"""Farewells: telling a client that API Gateway will soon close its connection, while there is time to open the next.

A connection lasts two hours, whatever happens on it ("Amazon API Gateway quotas", WebSocket). The client learns from
`welcome` when to leave by itself; who did not ask, or did not leave, is told `bye`.
"""

from __future__ import annotations

import math

from push.topics.fan_out_jobs import Farewell

RECONNECT_PART = 11 / 12
"""When a client should open the next connection, of the time that one lasts: ten minutes before two hours are over."""

LONGEST_DELAY_SECONDS = 900
"""SQS delays a message by at most 15 minutes ("Amazon SQS message quotas")."""

GOING_AWAY = 1001
"""What the connection will be closed with (RFC 6455, 7.4.1)."""


def make_farewell(connection_id: str, connected_at_ms: int, connection_seconds: float) -> Farewell:
    """Return what is to be said to a connection that lasts so long."""
    lasts_ms = int(connection_seconds * 1000)
    return Farewell(connection_id, connected_at_ms + int(lasts_ms * RECONNECT_PART), connected_at_ms + lasts_ms)


def reconnect_after_seconds(connection_seconds: float) -> float:
    """Return what `welcome` says of a connection that lasts so long."""
    return round(connection_seconds * RECONNECT_PART, 3)


def farewell_delay_seconds(farewell: Farewell, now_ms: int) -> int:
    """Return for how long to send a farewell on its way again; 0 once it is due."""
    return max(0, min(LONGEST_DELAY_SECONDS, math.ceil((farewell.at_ms - now_ms) / 1000)))


def render_bye(farewell: Farewell, now_ms: int) -> str:
    """Write `bye`: the connection will be closed in so long, and the client should open another one."""
    after_ms = max(0, farewell.closes_at_ms - now_ms)
    return f'{{"type":"bye","code":{GOING_AWAY},"retry":true,"after_ms":{after_ms}}}'
