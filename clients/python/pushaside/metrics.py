"""What a client can count: hooks that it calls as things happen, none of which costs anything if not asked for."""

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
    """Hooks that do nothing; override those of interest and give it to `connect(..., metrics=...)`.

    They are called on the event loop, between two messages: they count and return. What one raises is logged, and
    changes nothing else.

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
        """Count a connection that was opened, which took so long; the first one and each that replaces one."""

    def disconnected(self, code: int | None, why: str) -> None:
        """Count a connection that is over; `code` is the close code (RFC 6455, 7.4), None if it was just lost."""

    def request_done(self, compute: str, outcome: str, cache: str | None, seconds: float) -> None:
        """Count a request that has ended.

        `outcome` is "result", "cancelled" or the code of an error; `cache` is that of a result. `seconds` have passed
        since it was asked, whatever happened in between.
        """

    def update_taken(self, topic: str, waiting: int) -> None:
        """Count an update that was taken from a subscription; so many more of it wait: how far its consumer lags."""

    def asked_again(self, compute: str, attempt: int) -> None:
        """Count a request that was sent once more, for the `attempt`th time, after silence, a loss or an error."""


def call(hook: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a hook; it is the caller's own code, and the client goes on whatever it does."""
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
    """Ask a request and tell the metrics of it; `ask` is given whom to tell of progress."""
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
