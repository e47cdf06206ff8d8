"""Errors of the HTTP API, as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

import msgspec

from push.errors import ErrorCode, PushasideError, RequestError

MEDIA_TYPE = "application/problem+json"

STATUSES: dict[ErrorCode, HTTPStatus] = {
    ErrorCode.INVALID_JSON: HTTPStatus.BAD_REQUEST,
    ErrorCode.INVALID_MESSAGE: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNKNOWN_ACTION: HTTPStatus.NOT_FOUND,
    ErrorCode.UNKNOWN_COMPUTE: HTTPStatus.NOT_FOUND,
    ErrorCode.INVALID_PARAMS: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.COMPUTE_FAILED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.SOURCE_THROTTLED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    ErrorCode.INTERNAL: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of each code; `internal` is 503 and not 500, because a retry can help."""


class UnsupportedMediaError(RequestError):
    """A body has a media type that the API does not read."""

    default_code: ClassVar[ErrorCode] = ErrorCode.INVALID_MESSAGE


def status_of(error: PushasideError) -> HTTPStatus:
    """Return an error's HTTP status: its code's, or a more precise one."""
    if isinstance(error, UnsupportedMediaError):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return STATUSES[error.code]


def render_problem(error: PushasideError) -> str:
    """Render an error as a problem document; `code` is the same as on the WebSocket."""
    status = status_of(error)
    document: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": error.message,
        "code": error.code.value,
        "retryable": error.retryable,
    }
    if error.retry_after_ms is not None:
        document["retry_after_ms"] = error.retry_after_ms
    return msgspec.json.encode(document).decode()
