"""Exceptions, and the error codes that clients receive.

PushasideError
├── RequestError            the caller's mistake: answered at once, never retried, never queued
├── ComputeFailedError      a compute failed and will fail again: answered to every waiter and cached briefly
├── TransientError          a retry may succeed
│   ├── SourceThrottledError    a source throttles (S3 SlowDown, a throttled table)
│   ├── CacheUnavailableError   Redis did not answer in time, or refused the command
│   └── QueueUnavailableError   SQS did not take a message
└── SettingsError           an environment variable is missing or invalid
    └── DeclarationError        a compute can't be offered as it is written

On the wire an error is a code, a sentence and whether a retry can help. `CODES` lists every code.
"""

from __future__ import annotations

import enum
from typing import ClassVar

import msgspec


class ErrorCode(enum.StrEnum):
    """Every error code that a client can receive."""

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


class CodeMeaning(msgspec.Struct, frozen=True):
    """The default sentence of a code, and whether the same request can succeed later."""

    sentence: str
    retryable: bool


CODES: dict[ErrorCode, CodeMeaning] = {
    ErrorCode.INVALID_JSON: CodeMeaning("The message is not valid JSON.", retryable=False),
    ErrorCode.INVALID_MESSAGE: CodeMeaning("The message does not match the protocol.", retryable=False),
    ErrorCode.UNKNOWN_ACTION: CodeMeaning("No action has this name.", retryable=False),
    ErrorCode.UNKNOWN_COMPUTE: CodeMeaning("No compute has this name.", retryable=False),
    ErrorCode.INVALID_PARAMS: CodeMeaning("`params` do not match the compute's schema.", retryable=False),
    ErrorCode.UNAUTHORIZED: CodeMeaning("The credential is missing or invalid.", retryable=False),
    ErrorCode.FORBIDDEN: CodeMeaning("The credential does not permit this.", retryable=False),
    ErrorCode.NOT_FOUND: CodeMeaning("Nothing exists under this name.", retryable=False),
    ErrorCode.TOO_LARGE: CodeMeaning("The message exceeds the size limit.", retryable=False),
    ErrorCode.RATE_LIMITED: CodeMeaning("Too many requests. Retry later.", retryable=True),
    ErrorCode.COMPUTE_FAILED: CodeMeaning("The compute failed.", retryable=False),
    ErrorCode.SOURCE_THROTTLED: CodeMeaning("A source is throttling. Retry later.", retryable=True),
    ErrorCode.TIMEOUT: CodeMeaning(
        "The deadline passed before a result was ready. Retry, or allow more time.", retryable=True
    ),
    ErrorCode.INTERNAL: CodeMeaning("The service failed to process the request. Retry.", retryable=True),
}


class PushasideError(Exception):
    """Base of all errors that this service raises on purpose.

    Args:
        message: one sentence for a person; defaults to the code's sentence.
        code: the error code on the wire; defaults to the class's code.
        retry_after_ms: how long the caller should wait before a retry, in milliseconds.

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
    """The caller's mistake; `code` says which."""

    default_code = ErrorCode.INVALID_MESSAGE


class ComputeFailedError(PushasideError):
    """A compute failed, and will fail again for the same params.

    Args:
        message: one sentence for a person; defaults to the code's sentence.
        code: the error code on the wire; defaults to the class's code.
        retry_after_ms: how long the caller should wait before a retry, in milliseconds.
        source_version: the version of the source that made the compute fail, as in `push.computes.Computed`.

    """

    default_code = ErrorCode.COMPUTE_FAILED

    def __init__(
        self,
        message: str = "",
        *,
        code: ErrorCode | None = None,
        retry_after_ms: int | None = None,
        source_version: int = 0,
    ) -> None:
        super().__init__(message, code=code, retry_after_ms=retry_after_ms)
        self.source_version = source_version


class TransientError(PushasideError):
    """A failure that a retry may resolve; a compute may raise it to be retried."""


class SourceThrottledError(TransientError):
    """A source throttled until the compute's time ran out."""

    default_code = ErrorCode.SOURCE_THROTTLED


class CacheUnavailableError(TransientError):
    """Redis did not answer in time, or refused the command; the request continues without it."""


class QueueUnavailableError(TransientError):
    """SQS did not take a message, so the work is not accepted."""


class SettingsError(PushasideError):
    """An environment variable is missing or invalid; the sentence names it."""


class DeclarationError(SettingsError):
    """A compute can't be offered as it is written; the sentence says where, why and what to do."""
