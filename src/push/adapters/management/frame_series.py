"""Pushes of frame series to many clients at once through `@connections`; each client gets its frames in order.

No push has a task, future or timer of its own. An HTTP connection sends its next push once the last one is answered,
and one timer checks all of them. `benchmarks/fan_out.py` measures this module.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from push.adapters.aws.sigv4 import Signer
from push.adapters.management.push_connection import PushConnection, Work
from push.adapters.management.push_requests import PushRequests
from push.delivery.ports import Posted, PostOutcome, Series

PUSH_SECONDS = 2.0
"""The limit of one push: after it, the client counts as slow or dead."""

_FRAME_SECONDS = 0.04
"""Time that each frame adds to the limit of its series: a call within a region takes 10 to 30 ms."""

LAST_SECONDS = 0.5
"""The limit of the last few pushes of many, once all others are done."""

_THROTTLED_IN_A_ROW = 5
"""This many 429 in a row mean the account's rate limit, not slow clients: all pushes pause, then retry."""

_PAUSE_SECONDS = 0.2
_MAX_PAUSES = 5
_LAST_SHARE = 0.05
_LOOK_SECONDS = 0.05

_OUTCOMES = {200: PostOutcome.DELIVERED, 410: PostOutcome.GONE, 429: PostOutcome.RETRY}


class ManagementSeries:
    """`push.delivery.ports.SeriesConnections` by signed POSTs over a pool of keep-alive connections.

    Args:
        endpoint: the management endpoint, `https://{host}/{stage}`.
        signer: signs for the service `execute-api`.
        connections: how many pushes run at once.
        push_seconds: the limit of one push.
        last_seconds: the limit of the last few pushes, once all others are done.

    """

    def __init__(
        self,
        endpoint: str,
        signer: Signer,
        *,
        connections: int = 200,
        push_seconds: float = PUSH_SECONDS,
        last_seconds: float = LAST_SECONDS,
    ) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self.requests = PushRequests(endpoint, signer)
        self.width = connections
        self.push_seconds = push_seconds
        self.last_seconds = last_seconds
        self.idle: deque[PushConnection] = deque()

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        """See `SeriesConnections.post_series`."""
        return await _Run(self, series).end()

    async def connect(self) -> PushConnection:
        """Open another connection."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.push_seconds):
            _, connection = await loop.create_connection(PushConnection, self._host, self._port, ssl=self._tls)
        return connection

    def close(self) -> None:
        """Close the idle connections."""
        while self.idle:
            self.idle.pop().abort()


def outcome_of(status: int) -> PostOutcome:
    """Return the outcome that a status of the management API means.

    Source: "Use @connections commands", API Gateway Developer Guide.
    """
    if outcome := _OUTCOMES.get(status):
        return outcome
    return PostOutcome.RETRY if status >= 500 else PostOutcome.REFUSED


class _Run:
    """One call of `post_series`."""

    def __init__(self, client: ManagementSeries, series: Sequence[Series]) -> None:
        self._client = client
        self._render = client.requests.render
        self._loop = asyncio.get_running_loop()
        self._posted = [Posted(0) for _ in series]
        self._waiting = deque(Work(index, each) for index, each in enumerate(series) if each.frames)
        self._total = self._left = len(self._waiting)
        self._busy: set[PushConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._digests: dict[bytes, str] = {}
        self._last_done = 0.0
        self._throttled = 0
        self._pauses = 0
        self._paused_until = 0.0
        self._done = self._loop.create_future()

    async def end(self) -> list[Posted]:
        """Push everything, and return the outcome of each series."""
        if self._left:
            self._widen()
            timer = self._loop.call_later(_LOOK_SECONDS, self._look)
            try:
                await self._done
            finally:
                timer.cancel()
                self._stop()
        return self._posted

    def _widen(self) -> None:
        """Give work to idle connections, and open new ones, up to the width."""
        if self._loop.time() < self._paused_until:
            return
        idle = self._client.idle
        wanted = min(self._client.width - len(self._busy), len(self._waiting)) - len(self._opening)
        while wanted > 0 and idle:
            connection = idle.pop()
            if connection.is_open:
                wanted -= 1
                connection.run = self
                self._busy.add(connection)
                self._next(connection)
        for _ in range(wanted):
            task = self._loop.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        try:
            connection = await self._client.connect()
        except (OSError, TimeoutError):
            self._opening = {task for task in self._opening if task is not asyncio.current_task()}
            # Busy connections go on with the work. Without any, no work can be done.
            if not self._busy and not self._opening:
                while self._waiting:
                    self._finish(self._waiting.popleft(), PostOutcome.RETRY)
            return
        connection.run = self
        self._busy.add(connection)
        self._next(connection)

    def _next(self, connection: PushConnection) -> None:
        """Give a connection the next series, or make it idle if there is none."""
        if self._waiting and connection.is_open and self._loop.time() >= self._paused_until:
            connection.work = self._waiting.popleft()
            connection.since = self._loop.time()
            self._push(connection, connection.work)
            return
        connection.run = connection.work = None
        self._busy.discard(connection)
        if connection.is_open:
            self._client.idle.append(connection)
        elif self._waiting:
            self._widen()

    def _pauses_for(self, work: Work) -> bool:
        """Count a throttled push; return whether all pushes pause now and retry it afterwards."""
        self._throttled += 1
        now = self._loop.time()
        if self._throttled < _THROTTLED_IN_A_ROW or (now >= self._paused_until and self._pauses == _MAX_PAUSES):
            return False
        if now >= self._paused_until:
            self._pauses += 1
            self._paused_until = now + _PAUSE_SECONDS
        self._waiting.appendleft(work)
        return True

    def _push(self, connection: PushConnection, work: Work) -> None:
        frame = work.frames[work.delivered]
        digest = self._digests.get(frame)
        if digest is None:
            digest = self._digests[frame] = hashlib.sha256(frame).hexdigest()
        connection.sent_at = self._loop.time()
        connection.write(self._render(work.connection_id, frame, digest))

    def answered(self, connection: PushConnection, status: int) -> None:
        """Handle the answer to a connection's push."""
        work = connection.work
        if work is None:
            return
        if status == 429 and self._pauses_for(work):
            connection.work = None
            self._next(connection)
            return
        if status == 200:
            self._throttled = 0
            work.delivered += 1
            work.tries = 0
            if work.delivered < len(work.frames):
                if connection.is_open:
                    self._push(connection, work)
                else:
                    connection.work = None
                    self._waiting.appendleft(work)
                    self._next(connection)
                return
        self._finish(work, outcome_of(status))
        self._next(connection)

    def lost(self, connection: PushConnection) -> None:
        """Handle a connection that ended before its push was answered."""
        work, connection.work = connection.work, None
        if work is not None:
            work.tries += 1
            # After a freeze every idle connection may be dead, so a push is retried once on another one.
            if work.tries < 2:
                self._waiting.append(work)
            else:
                self._finish(work, PostOutcome.RETRY)
        # The idle connections are probably dead too.
        self._client.close()
        self._next(connection)

    def _finish(self, work: Work, outcome: PostOutcome) -> None:
        self._posted[work.index] = Posted(work.delivered, outcome)
        self._left -= 1
        self._last_done = self._loop.time()
        if not self._left and not self._done.done():
            self._done.set_result(None)

    def _look(self) -> None:
        """End the series that exceed their limits."""
        now = self._loop.time()
        is_end = not self._waiting and self._left < self._total * _LAST_SHARE
        last_seconds = self._client.last_seconds
        for connection in list(self._busy):
            work = connection.work
            if work is not None and (
                now - connection.sent_at > self._client.push_seconds
                or now - connection.since > self._client.push_seconds + len(work.frames) * _FRAME_SECONDS
                or (is_end and now - self._last_done > last_seconds and now - connection.sent_at > last_seconds)
            ):
                connection.work = None
                connection.abort()
                self._finish(work, PostOutcome.RETRY)
                self._next(connection)
        if not self._done.done():
            self._widen()
            self._loop.call_later(_LOOK_SECONDS, self._look)

    def _stop(self) -> None:
        for task in self._opening:
            task.cancel()
        for connection in self._busy:
            connection.run = connection.work = None
            connection.abort()
