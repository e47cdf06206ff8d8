"""What the gateway and the event-source pollers know of functions: how to invoke one, and what comes back."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Outcome(enum.Enum):
    """How an invocation ended, as the Lambda Invoke API tells its callers."""

    RETURNED = "returned"
    RAISED = "raised"
    """The handler raised, its answer was not JSON, or its process died."""
    TIMED_OUT = "timed_out"
    THROTTLED = "throttled"
    """No environment could be had: the function's concurrency limit is reached."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The end of one invocation.

    `payload` is the handler's answer as JSON bytes when `outcome` is RETURNED, else Lambda's error document
    (`{"errorMessage": ..., "errorType": ...}`).
    """

    outcome: Outcome
    payload: bytes


class FunctionService(Protocol):
    """The Lambda service, as the gateway and the pollers see it."""

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """Run `function` (its deployed name) once on `event` (JSON bytes) and call `on_end` on the event loop, once.

        Never raises and never calls `on_end` before it returns. A callback and not a coroutine, because a task
        per message would cost more than the rest of the gateway's work on it.
        """
