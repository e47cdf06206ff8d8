"""Errors of the HTTP API: problem details (RFC 9457), read into this package's errors."""

from __future__ import annotations

import orjson

from pushaside.errors import CannotConnectError, PushasideError, error_from_wire
from pushaside.http.calls import HttpAnswer
from pushaside.reaching import TRY_AGAIN, read_seconds

_CODES = {
    400: "invalid_message",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "invalid_params",
    413: "too_large",
    422: "invalid_params",
    429: "rate_limited",
}
"""The codes of statuses without problem details: an authorizer or a proxy may have answered."""


def error_from_answer(answer: HttpAnswer) -> PushasideError:
    """Return the error of an answer with a status of 400 or more.

    >>> error_from_answer(HttpAnswer(404, {}, b'{"status":404,"detail":"There is no such board.","code":"not_found"}'))
    NotFoundError('There is no such board.')
    """
    fields = _read_problem(answer.body)
    retry_after = read_seconds(answer.headers.get("retry-after", ""))
    code = fields.get("code")
    if not isinstance(code, str) and answer.status not in _CODES:
        return CannotConnectError(
            f"The service answered with status {answer.status}.",
            status=answer.status,
            retryable=answer.status in TRY_AGAIN,
            retry_after=retry_after,
        )
    sentence = fields.get("detail") or fields.get("message") or f"The service answered with status {answer.status}."
    wire = {"code": code or _CODES.get(answer.status), "message": sentence, "retryable": fields.get("retryable")}
    error = error_from_wire({**wire, "retry_after_ms": fields.get("retry_after_ms")})
    if error.retryable and error.retry_after is None:
        error.retry_after = retry_after
    return error


def _read_problem(body: bytes) -> dict[str, object]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}
