"""Deadlines on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from pushaside.errors import RequestTimeoutError


class Deadline:
    """A moment, a number of seconds from now, by which an operation must end.

    Raises:
        ValueError: the number is not more than 0, or not finite.

    """

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError("deadline must be a number of seconds, more than 0.")
        self._seconds = seconds
        self._at = self.now() + seconds

    def now(self) -> float:
        """Return the time in seconds of the event loop's clock."""
        return asyncio.get_running_loop().time()

    def left(self) -> float:
        """Return the seconds that are left; 0 or less once the deadline has passed."""
        return self._at - self.now()

    @contextlib.asynccontextmanager
    async def bound(self) -> AsyncIterator[None]:
        """Cancel the block at the deadline.

        Raises:
            RequestTimeoutError: the block was cancelled.

        """
        try:
            async with asyncio.timeout_at(self._at):
                yield
        except TimeoutError as exc:
            if isinstance(exc, RequestTimeoutError):
                raise
            raise RequestTimeoutError(f"There was no answer within {self._seconds:g} s.") from exc

    async def sleep(self, seconds: float) -> None:
        """Sleep; raise RequestTimeoutError at the deadline."""
        async with self.bound():
            await asyncio.sleep(seconds)
