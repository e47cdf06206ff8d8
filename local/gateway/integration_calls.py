"""Calls of integrations. Each ends once, by its function or by the integration's timeout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from local.functions.invocation import FunctionService, Invocation, Outcome
from local.gateway.api import FunctionIntegration

INTEGRATION_TIMED_OUT = Invocation(Outcome.TIMED_OUT, b"")
"""The invocation that a caller gets when the gateway stops waiting. Compare it by identity.

An invocation that the function's own timeout ended is TIMED_OUT too, but the client gets another error.
"""

OnEnd = Callable[[Invocation], None]


class IntegrationCalls:
    """Invokes functions for the gateway, and ends calls that exceed their integration's timeout.

    `sweep` checks all deadlines. With ten thousand calls under way, a timer for each would cost too much.
    """

    __slots__ = ("_functions", "_now", "_waiting")

    def __init__(self, functions: FunctionService, now: Callable[[], float] = time.monotonic) -> None:
        self._functions = functions
        self._now = now
        # Calls that share a timeout end in the order in which they began, and a dict keeps that order.
        self._waiting: dict[float, dict[_Call, None]] = {}

    def invoke(self, integration: FunctionIntegration, event: bytes, on_end: OnEnd) -> None:
        """Invoke the function, and call `on_end` once. After the deadline it gets INTEGRATION_TIMED_OUT."""
        timeout = integration.timeout_seconds
        waiting = self._waiting.get(timeout)
        if waiting is None:
            waiting = self._waiting[timeout] = {}
        call = _Call(self._now() + timeout, on_end, waiting)
        waiting[call] = None
        self._functions.invoke(integration.function, event, call)

    def sweep(self) -> None:
        """End the calls whose deadline has passed."""
        now = self._now()
        for waiting in self._waiting.values():
            for call in _overdue(waiting, now):
                call(INTEGRATION_TIMED_OUT)

    @property
    def in_flight(self) -> int:
        """The number of calls that have not ended."""
        return sum(map(len, self._waiting.values()))


class _Call:
    """One call. It is itself the callback for the end of its function."""

    __slots__ = ("deadline", "on_end", "waiting")

    def __init__(self, deadline: float, on_end: OnEnd, waiting: dict[_Call, None]) -> None:
        self.deadline = deadline
        self.on_end = on_end
        self.waiting = waiting

    def __call__(self, invocation: Invocation) -> None:
        if self in self.waiting:  # otherwise the function ended after the timeout
            del self.waiting[self]
            self.on_end(invocation)


def _overdue(waiting: Iterable[_Call], now: float) -> list[_Call]:
    overdue = []
    for call in waiting:
        if call.deadline > now:
            break
        overdue.append(call)
    return overdue
