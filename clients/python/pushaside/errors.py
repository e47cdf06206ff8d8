"""The errors of this package.

PushasideError                    also raised for a code that this version does not know
├── InvalidRequestError           the request is wrong: the same one will fail again
│   ├── InvalidJsonError              invalid_json
│   ├── InvalidMessageError           invalid_message
│   ├── UnknownActionError            unknown_action
│   ├── UnknownComputeError           unknown_compute
│   ├── InvalidParamsError            invalid_params
│   ├── NotFoundError                 not_found
│   └── TooLargeError                 too_large (also raised before anything is sent)
├── AccessError                   the credential is refused, or does not allow this
│   ├── UnauthorizedError             unauthorized, and a handshake answered 401
│   └── ForbiddenError                forbidden, and a handshake answered 403
├── BusyError                     the service, or a source behind it, throttles
│   ├── RateLimitedError              rate_limited
│   └── SourceThrottledError          source_throttled
├── ComputeFailedError            compute_failed: the compute failed, and will fail again with these params
├── InternalError                 internal: the service has a fault
├── UnreadableResultError         unreadable: the result is damaged, or in a form that this version does not know
├── UnverifiedWebhookError        unverified: the service may not have sent a webhook
├── RequestTimeoutError           timeout: no answer before the deadline; also a builtin TimeoutError
└── ServiceConnectionError        there is no connection; also a builtin ConnectionError
    ├── CannotConnectError            unreachable: the service, or the place of a large result, cannot be reached
    └── ConnectionClosedError         closed: the client is closed, and sends nothing more

The codes `unreadable`, `unverified`, `unreachable` and `closed` are the client's own; all others are those of the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class PushasideError(Exception):
    """Base of all errors of this package.

    `code` is the wire's name of the error and stays the same between versions; `message` is a sentence for people;
    `retryable` tells whether the same request can succeed later; `retry_after` is the number of seconds that the
    service asks to wait first, or None.

    >>> error = RateLimitedError("Too many requests.", retry_after=1.5)
    >>> error.code, error.retryable, error.retry_after
    ('rate_limited', True, 1.5)
    """

    default_code: ClassVar[str] = "internal"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after


class InvalidRequestError(PushasideError):
    """The request is wrong; `code` says how."""

    default_code = "invalid_message"


class InvalidJsonError(InvalidRequestError):
    """The message is not JSON."""

    default_code = "invalid_json"


class InvalidMessageError(InvalidRequestError):
    """The message is not one of the protocol."""


class UnknownActionError(InvalidRequestError):
    """The service does not know the action; it may be older than the client."""

    default_code = "unknown_action"


class UnknownComputeError(InvalidRequestError):
    """The service has no compute of that name."""

    default_code = "unknown_compute"


class InvalidParamsError(InvalidRequestError):
    """The params do not fit the compute, or cannot be written as JSON."""

    default_code = "invalid_params"


class NotFoundError(InvalidRequestError):
    """The requested name does not exist."""

    default_code = "not_found"


class TooLargeError(InvalidRequestError):
    """A message or a result exceeds a size limit."""

    default_code = "too_large"


class AccessError(PushasideError):
    """The credential is refused, or does not allow the request."""

    default_code = "forbidden"


class UnauthorizedError(AccessError):
    """The credential is missing, expired or not valid."""

    default_code = "unauthorized"


class ForbiddenError(AccessError):
    """The credential is valid, but does not allow the request."""


class BusyError(PushasideError):
    """The service is too busy at the moment; `retry_after` says when to retry."""

    default_code = "rate_limited"
    default_retryable = True


class RateLimitedError(BusyError):
    """The service limits the caller's rate of requests."""


class SourceThrottledError(BusyError):
    """A source that the compute reads from throttles."""

    default_code = "source_throttled"


class ComputeFailedError(PushasideError):
    """The compute failed, and will fail again with the same params."""

    default_code = "compute_failed"


class InternalError(PushasideError):
    """The service has a fault; a retry may succeed."""

    default_retryable = True


class UnreadableResultError(PushasideError):
    """The result is damaged, or in a form that this version does not know."""

    default_code = "unreadable"


class UnverifiedWebhookError(PushasideError):
    """The service may not have sent the webhook.

    `is_unknown_signature` tells whether the webhook is recent and signed by none of the given secrets; the service may
    have a new secret.
    """

    default_code = "unverified"

    def __init__(self, message: str, *, is_unknown_signature: bool = False) -> None:
        super().__init__(message)
        self.is_unknown_signature = is_unknown_signature


class RequestTimeoutError(PushasideError, TimeoutError):
    """There was no answer before the deadline."""

    default_code = "timeout"
    default_retryable = True


class ServiceConnectionError(PushasideError, ConnectionError):
    """There is no connection to the service."""

    default_code = "closed"


class CannotConnectError(ServiceConnectionError):
    """The service, or the place of a large result, cannot be reached.

    `status` is the HTTP status of the answer, or None if there was none. `is_answered` is False if nothing listens at
    the address: the TCP connection was refused, or the name does not resolve.
    """

    default_code = "unreachable"
    default_retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        is_answered: bool = True,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after=retry_after)
        self.status = status
        self.is_answered = is_answered


class ConnectionClosedError(ServiceConnectionError):
    """The client was closed, or the service closed the connection for good."""


CLASSES: dict[str, type[PushasideError]] = {
    kind.default_code: kind
    for kind in (
        InvalidJsonError,
        InvalidMessageError,
        UnknownActionError,
        UnknownComputeError,
        InvalidParamsError,
        NotFoundError,
        TooLargeError,
        UnauthorizedError,
        ForbiddenError,
        RateLimitedError,
        SourceThrottledError,
        ComputeFailedError,
        InternalError,
        RequestTimeoutError,
    )
}
"""The class of each code of the wire."""


def error_from_wire(fields: Mapping[str, object]) -> PushasideError:
    """Return the error that the `error` member of a message describes; invalid or missing members get defaults.

    >>> error_from_wire({"code": "not_found", "message": "There is no such board.", "retryable": False})
    NotFoundError('There is no such board.')
    """
    code = fields.get("code")
    code = code if isinstance(code, str) and code else "internal"
    message = fields.get("message")
    retryable = fields.get("retryable")
    after_ms = fields.get("retry_after_ms")
    return CLASSES.get(code, PushasideError)(
        message if isinstance(message, str) and message else f"The service answered with the error {code!r}.",
        code=code,
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after=max(0.0, after_ms / 1000) if isinstance(after_ms, int | float) else None,
    )
