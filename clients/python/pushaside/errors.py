"""What can go wrong, as the caller of this package learns of it.

PushasideError                    also what a code becomes that this version does not know
├── InvalidRequestError           the request itself is wrong: the same one will fail again
│   ├── InvalidJsonError              invalid_json
│   ├── InvalidMessageError           invalid_message
│   ├── UnknownActionError            unknown_action
│   ├── UnknownComputeError           unknown_compute
│   ├── InvalidParamsError            invalid_params
│   ├── NotFoundError                 not_found
│   └── TooLargeError                 too_large (also raised before anything is sent)
├── AccessError                   the credential does not let one in, or does not allow this
│   ├── UnauthorizedError             unauthorized, and a handshake answered 401
│   └── ForbiddenError                forbidden, and a handshake answered 403
├── BusyError                     too much is asked of the service, or of a source behind it
│   ├── RateLimitedError              rate_limited
│   └── SourceThrottledError          source_throttled
├── ComputeFailedError            compute_failed: the compute failed, and will fail again with these params
├── InternalError                 internal: something broke on the service's side
├── UnreadableResultError         unreadable: the result came, and is damaged or in a form this version does not know
├── UnverifiedWebhookError        unverified: a webhook is not proven to be the service's
├── RequestTimeoutError           timeout: no answer before the deadline; also a builtin TimeoutError
└── ServiceConnectionError        there is no connection; also a builtin ConnectionError
    ├── CannotConnectError            unreachable: no connection came about, or where a result is kept is out of reach
    └── ConnectionClosedError         closed: it is over, and nothing more will be asked on it

The codes `unreadable`, `unverified`, `unreachable` and `closed` are the client's own, all others come over the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class PushasideError(Exception):
    """Base of all errors of this package.

    `code` is the wire's name of what went wrong and stays the same between versions; `message` is a sentence for
    people; `retryable` says whether the same request can succeed later; `retry_after` is how many seconds the service
    asked to be left alone first, or None if it did not say.

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
    """The request itself is wrong; `code` says how."""

    default_code = "invalid_message"


class InvalidJsonError(InvalidRequestError):
    """What was sent is not JSON."""

    default_code = "invalid_json"


class InvalidMessageError(InvalidRequestError):
    """What was sent is not a message of the protocol."""


class UnknownActionError(InvalidRequestError):
    """The service does not know the action, or does not know it yet."""

    default_code = "unknown_action"


class UnknownComputeError(InvalidRequestError):
    """The service has no compute of that name."""

    default_code = "unknown_compute"


class InvalidParamsError(InvalidRequestError):
    """The params do not fit the compute, or cannot be written as JSON."""

    default_code = "invalid_params"


class NotFoundError(InvalidRequestError):
    """There is nothing under the name that was asked for."""

    default_code = "not_found"


class TooLargeError(InvalidRequestError):
    """A message, or the result that was asked for, is larger than a message may be."""

    default_code = "too_large"


class AccessError(PushasideError):
    """The credential does not let one in, or does not allow what was asked."""

    default_code = "forbidden"


class UnauthorizedError(AccessError):
    """The credential is missing, expired or not valid."""

    default_code = "unauthorized"


class ForbiddenError(AccessError):
    """The credential is valid and does not allow this."""


class BusyError(PushasideError):
    """Too much is asked at the moment; `retry_after` says when to come back."""

    default_code = "rate_limited"
    default_retryable = True


class RateLimitedError(BusyError):
    """The service limits how much may be asked of it."""


class SourceThrottledError(BusyError):
    """A source that the compute reads from asks for less."""

    default_code = "source_throttled"


class ComputeFailedError(PushasideError):
    """The compute failed in a way that the same params will repeat."""

    default_code = "compute_failed"


class InternalError(PushasideError):
    """Something broke on the service's side; asking again may help."""

    default_retryable = True


class UnreadableResultError(PushasideError):
    """A result came that is damaged, or whose form this version does not know."""

    default_code = "unreadable"


class UnverifiedWebhookError(PushasideError):
    """A webhook is not proven to be the service's.

    `is_unknown_signature` tells whether it is signed, in time, by a secret that is none of those given: it may be a
    new one.
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
    """No connection came about, or where a result is kept is out of reach.

    `status` is the HTTP status that was answered, or None if it had none. `is_answered` tells
    whether anything is there: False for a refused TCP connection or a name that does not resolve.
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
    """The client was closed, or the service said goodbye for good."""


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
"""What each code of the wire is raised as."""


def error_from_wire(fields: Mapping[str, object]) -> PushasideError:
    """Make the error that the `error` member of a message describes; members that are missing or odd are filled in.

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
