"""Sends at a rate, whatever comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sized

from pushaside_tools.load.schedule import Schedule

_BURST = 64
"""After so many that are due at once, answers are read before more are sent."""


async def send_at_rate(
    schedule: Schedule, begins_at: float, seconds: float, grace: float, send: Callable[[int, float], None], over: Sized
) -> int:
    """Send each when it is due or as soon after as can be; return how many were not.

    `send` is given an index of the schedule, and when that was due. Nothing is sent once `over`, the connections, has
    none, nor `grace` seconds after the last was due.
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
