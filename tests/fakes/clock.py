"""Time and lease tokens that a test decides."""

from __future__ import annotations

import itertools


class Clock:
    """Milliseconds since 1970, moved by hand."""

    def __init__(self, now_ms: int = 1_732_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, milliseconds: int) -> None:
        self.now_ms += milliseconds


class Tokens:
    """Makes tokens that tests can tell apart."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        return f"queued {next(self._numbers)}"


async def no_delay() -> None:
    """Take no time."""
