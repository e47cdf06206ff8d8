"""Sending at a fixed rate, independent of the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sized

from pushaside_tools.load.schedule import Schedule

_BURST = 64
"""The most that are sent in a row before answers are read."""


async def send_at_rate(
    schedule: Schedule, begins_at: float, seconds: float, grace: float, send: Callable[[int, float], None], over: Sized
) -> int:
    """Call `send` for each index of the schedule at its time or as soon as possible after; return how many were left.

    `send` receives the index and the time at which it was due. Sending stops when `over`, the connections, is empty,
    and `grace` seconds after the end.
    """
    total, index = schedule.count_before(seconds), 0
    gives_up_at = begins_at + seconds + grace
    while index < total:
        burst = 0
        while burst < _BURST and index < total and (due := begins_at + schedule.at(index)) <= time.monotonic():
            if not over:
                break
            send(index, due)
            index, burst = index + 1, burst + 1
        if not over or time.monotonic() > gives_up_at:
            return total - index
        if index < total:
            await asyncio.sleep(max(0.0, begins_at + schedule.at(index) - time.monotonic()))
    return 0
