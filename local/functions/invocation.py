"""What the gateway and the event-source pollers know of functions: how to invoke one, and what comes back."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import orjson


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

    `answer` is the handler's answer as JSON bytes when `outcome` is RETURNED, else Lambda's error document
    (`{"errorMessage": ..., "errorType": ...}`). With `is_text` the handler returned what nearly all do who answer a
    message, `{"statusCode": 200, "body": ...}`, and this is the body alone, as UTF-8: to write a large one as a JSON
    string and read it again would take longer than all else that is done about it.
    """

    outcome: Outcome
    answer: bytes
    is_text: bool = False

    @property
    def payload(self) -> bytes:
        """The answer, or error document, as JSON."""
        return orjson.dumps({"statusCode": 200, "body": self.answer.decode()}) if self.is_text else self.answer


class FunctionService(Protocol):
    """The Lambda service, as the gateway and the pollers see it."""

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """Run `function` (its deployed name) once on `event` (JSON bytes) and call `on_end` on the event loop, once.

        Never raises and never calls `on_end` before it returns. A callback and not a coroutine, because a task
        per message would cost more than the rest of the gateway's work on it.
        """
