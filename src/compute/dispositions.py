"""The fate of a job's queue message, once a worker has worked on its key."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from push.cache.jobs import Waiter


class Disposition(enum.Enum):
    """The fate of a job's queue message."""

    DONE = "done"
    AGAIN = "again"
    """The queue redelivers it after a backoff."""
    LATER = "later"
    """It is sent again as a new message, because a try without Redis must not count against its receives."""


def done_if(told: Sequence[Waiter], waiters: Sequence[Waiter]) -> Disposition:
    """Retry a job if some waiters could not be answered and Redis does not keep them."""
    return Disposition.DONE if len(told) == len(waiters) else Disposition.AGAIN
