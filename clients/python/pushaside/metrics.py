"""Hooks for metrics, which the client calls as things happen. Without hooks, nothing is measured."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from pushaside.errors import PushasideError
from pushaside.progress import Progress
from pushaside.protocol.messages import Result
from pushaside.session.effects import Outcome

logger = logging.getLogger("pushaside")

P = ParamSpec("P")


class Metrics:
    """Hooks that do nothing; override some, and pass the object to `connect(..., metrics=...)`.

    The client calls them on the event loop, between two messages, so a hook should count and return. Its exceptions
    are logged and ignored.

    >>> class Requests(Metrics):
    ...     def __init__(self):
    ...         self.seconds = []
    ...
    ...     def request_done(self, compute, outcome, cache, seconds):
    ...         self.seconds.append(seconds)
    >>> requests = Requests()
    >>> requests.request_done("documents", "result", "hit", 0.004)
    >>> requests.seconds
    [0.004]
    """

    def connected(self, seconds: float) -> None:
        """Count a connection that took `seconds` to open: the first one, and each that replaces one."""

    def disconnected(self, code: int | None, why: str) -> None:
        """Count a connection that ended; `code` is the close code (RFC 6455, 7.4), None without a closing handshake."""

    def request_done(self, compute: str, outcome: str, cache: str | None, seconds: float) -> None:
        """Count a request that ended.

        `outcome` is "result", "cancelled" or the code of an error; `cache` is that of a result. `seconds` covers the
        whole request, retries and reconnects included.
        """

    def update_taken(self, topic: str, waiting: int) -> None:
        """Count an update that was taken from a subscription; `waiting` more are queued, by which its consumer lags."""

    def asked_again(self, compute: str, attempt: int) -> None:
        """Count a request that was sent again, for the `attempt`th time, after silence, a loss or an error."""


def call(hook: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a hook, and log its exception: a hook is the caller's code and must not stop the client."""
    try:
        hook(*args, **kwargs)
    except Exception:
        logger.exception("a metrics hook failed")


async def measured(
    metrics: Metrics,
    compute: str,
    ask: Callable[[Callable[[Progress], None]], Awaitable[Outcome]],
    on_progress: Callable[[Progress], None] | None,
) -> Outcome:
    """Send a request by `ask`, and call the hooks; `ask` receives the function that reports progress."""
    started = time.perf_counter()

    def report(progress: Progress) -> None:
        if progress.stage == "sent" and progress.attempt > 1:
            call(metrics.asked_again, compute, progress.attempt)
        if on_progress is not None:
            on_progress(progress)

    said, cache = "cancelled", None
    try:
        outcome = await ask(report)
        said, cache = "result", outcome.cache if isinstance(outcome, Result) else None
    except PushasideError as exc:
        said = exc.code
        raise
    except asyncio.CancelledError:
        raise
    finally:
        call(metrics.request_done, compute, said, cache, time.perf_counter() - started)
    return outcome
