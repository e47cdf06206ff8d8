"""What can go wrong, as the caller learns of it.

PushasideError
├── RequestError            the caller's own mistake: answered at once, never retried, never queued
├── ComputeFailedError      a compute failed and will fail again: answered to every waiter and cached briefly
├── TransientError          another try may succeed
│   ├── SourceThrottledError    a source asked for less (S3 SlowDown, a throttled table)
│   ├── CacheUnavailableError   Redis did not answer in time, or refused
│   └── QueueUnavailableError   SQS did not take a message
└── SettingsError           an environment variable is absent or unusable

On the wire an error is a code, a sentence and whether asking again can help: `CODES` is the whole table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar


class ErrorCode(enum.StrEnum):
    """Every code a client can meet."""

    INVALID_JSON = "invalid_json"
    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_COMPUTE = "unknown_compute"
    INVALID_PARAMS = "invalid_params"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    COMPUTE_FAILED = "compute_failed"
    SOURCE_THROTTLED = "source_throttled"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """What a code says when nothing more precise is known, and whether the same request can succeed later."""

    sentence: str
    retryable: bool


CODES: dict[ErrorCode, CodeMeaning] = {
    ErrorCode.INVALID_JSON: CodeMeaning("The message is not JSON.", retryable=False),
    ErrorCode.INVALID_MESSAGE: CodeMeaning("The message is not of the documented form.", retryable=False),
    ErrorCode.UNKNOWN_ACTION: CodeMeaning("There is no such action.", retryable=False),
    ErrorCode.UNKNOWN_COMPUTE: CodeMeaning("There is no such compute.", retryable=False),
    ErrorCode.INVALID_PARAMS: CodeMeaning("The params do not fit the compute.", retryable=False),
    ErrorCode.UNAUTHORIZED: CodeMeaning("The credential is missing or not valid.", retryable=False),
    ErrorCode.FORBIDDEN: CodeMeaning("The credential does not allow this.", retryable=False),
    ErrorCode.NOT_FOUND: CodeMeaning("There is nothing under that name.", retryable=False),
    ErrorCode.TOO_LARGE: CodeMeaning("The message is larger than a message may be.", retryable=False),
    ErrorCode.RATE_LIMITED: CodeMeaning("Too many requests; ask again later.", retryable=True),
    ErrorCode.COMPUTE_FAILED: CodeMeaning("The compute failed.", retryable=False),
    ErrorCode.SOURCE_THROTTLED: CodeMeaning("A source is throttling; ask again later.", retryable=True),
    ErrorCode.TIMEOUT: CodeMeaning("The deadline passed before there was a result.", retryable=True),
    ErrorCode.INTERNAL: CodeMeaning("Something went wrong on our side; ask again.", retryable=True),
}


class PushasideError(Exception):
    """Base of all errors that are raised on purpose.

    Args:
        message: one sentence for a person; the code's own sentence if left out.
        code: what the wire says; the class's own if left out.
        retry_after_ms: how long the caller should wait before another try, in milliseconds.

    """

    default_code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(self, message: str = "", *, code: ErrorCode | None = None, retry_after_ms: int | None = None) -> None:
        self.code = code or self.default_code
        self.message = message or CODES[self.code].sentence
        self.retry_after_ms = retry_after_ms
        super().__init__(self.message)

    @property
    def retryable(self) -> bool:
        """Whether the same request can succeed later."""
        return CODES[self.code].retryable


class RequestError(PushasideError):
    """The caller's own mistake; `code` says which."""

    default_code = ErrorCode.INVALID_MESSAGE


class ComputeFailedError(PushasideError):
    """A compute failed in a way that the same params will repeat."""

    default_code = ErrorCode.COMPUTE_FAILED


class TransientError(PushasideError):
    """Something failed that may work at the next try; a compute may raise it to be tried again."""


class SourceThrottledError(TransientError):
    """A source asked for less, and went on asking within the time the compute had."""

    default_code = ErrorCode.SOURCE_THROTTLED


class CacheUnavailableError(TransientError):
    """Redis did not answer in time, or refused; the request goes on without it."""


class QueueUnavailableError(TransientError):
    """SQS did not take a message, so the work is not accepted."""


class SettingsError(PushasideError):
    """An environment variable is absent or unusable; the sentence names it."""
