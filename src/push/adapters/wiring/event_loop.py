"""The event loop of an execution environment: one for all invocations, so that asyncio clients can be reused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the environment's loop and return its result."""
    return _loop().run_until_complete(coroutine)
