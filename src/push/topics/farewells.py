"""Farewells: warnings to clients that have not reconnected that their connection will close.

API Gateway closes every connection after two hours ("Amazon API Gateway quotas", WebSocket). `welcome` tells a client
when to reconnect. A client that sent no `hello`, or did not reconnect in time, receives `bye`.
"""

from __future__ import annotations

import math

from push.topics.fan_out_jobs import Farewell

RECONNECT_PART = 11 / 12
"""The part of a connection's lifetime after which a client should reconnect: ten minutes before two hours end."""

LONGEST_DELAY_SECONDS = 900
"""SQS delays a message by at most 15 minutes ("Amazon SQS message quotas")."""

GOING_AWAY = 1001
"""The close code of the connection (RFC 6455, 7.4.1)."""


def make_farewell(connection_id: str, connected_at_ms: int, connection_seconds: float) -> Farewell:
    """Return the farewell for a connection with a lifetime of `connection_seconds`."""
    lasts_ms = int(connection_seconds * 1000)
    return Farewell(connection_id, connected_at_ms + int(lasts_ms * RECONNECT_PART), connected_at_ms + lasts_ms)


def reconnect_after_seconds(connection_seconds: float) -> float:
    """Return `reconnect_after_seconds` for a connection with a lifetime of `connection_seconds`."""
    return round(connection_seconds * RECONNECT_PART, 3)


def farewell_delay_seconds(farewell: Farewell, now_ms: int) -> int:
    """Return the delay for requeuing a farewell; 0 once it is due."""
    return max(0, min(LONGEST_DELAY_SECONDS, math.ceil((farewell.at_ms - now_ms) / 1000)))


def render_bye(farewell: Farewell, now_ms: int) -> str:
    """Render `bye`: the connection closes in `after_ms`, and the client should reconnect."""
    after_ms = max(0, farewell.closes_at_ms - now_ms)
    return f'{{"type":"bye","code":{GOING_AWAY},"retry":true,"after_ms":{after_ms}}}'
