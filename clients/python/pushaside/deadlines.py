"""Deadlines on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from pushaside.errors import RequestTimeoutError


class Deadline:
    """A moment by which all is to be done, so many seconds from now.

    Raises:
        ValueError: that is no number of seconds.

    """

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError("deadline is a number of seconds, more than 0.")
        self._seconds = seconds
        self._at = self.now() + seconds

    def now(self) -> float:
        """Tell the time, in seconds of the event loop's clock."""
        return asyncio.get_running_loop().time()

    def left(self) -> float:
        """Tell how many seconds are left; none is 0 or less."""
        return self._at - self.now()

    @contextlib.asynccontextmanager
    async def bound(self) -> AsyncIterator[None]:
        """Stop what is done here once the time is over.

        Raises:
            RequestTimeoutError: it was stopped.

        """
        try:
            async with asyncio.timeout_at(self._at):
                yield
        except TimeoutError as exc:
            if isinstance(exc, RequestTimeoutError):
                raise
            raise RequestTimeoutError(f"There was no answer within {self._seconds:g} s.") from exc

    async def sleep(self, seconds: float) -> None:
        """Wait, but not past the deadline: then it raises RequestTimeoutError."""
        async with self.bound():
            await asyncio.sleep(seconds)
