"""The invocation interface of functions, for the gateway and the event-source pollers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import orjson


class Outcome(enum.Enum):
    """The end of an invocation, as the Lambda Invoke API reports it."""

    RETURNED = "returned"
    RAISED = "raised"
    """The handler raised, its answer is not JSON, or its process died."""
    TIMED_OUT = "timed_out"
    THROTTLED = "throttled"
    """The function reached its concurrency limit."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The end of one invocation.

    `answer` is the handler's answer as JSON bytes if `outcome` is RETURNED, else Lambda's error document
    (`{"errorMessage": ..., "errorType": ...}`). With `is_text` the handler returned `{"statusCode": 200, "body": ...}`,
    as nearly all handlers of messages do, and `answer` is the body alone, as UTF-8. Writing a large body as a JSON
    string and parsing it again would take longer than the rest of the work on it.
    """

    outcome: Outcome
    answer: bytes
    is_text: bool = False

    @property
    def payload(self) -> bytes:
        """The answer or the error document as JSON."""
        return orjson.dumps({"statusCode": 200, "body": self.answer.decode()}) if self.is_text else self.answer


class FunctionService(Protocol):
    """The Lambda service, as the gateway and the pollers see it."""

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """Run `function` (its deployed name) once on `event` (JSON bytes), then call `on_end` once on the event loop.

        Never raises, and never calls `on_end` before it returns. It takes a callback because a task per message would
        cost more than the rest of the gateway's work on it.
        """
