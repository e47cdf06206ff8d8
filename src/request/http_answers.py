"""What the functions behind the HTTP API share: who asks, and answers in payload format 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from push.errors import ErrorCode, PushasideError, RequestError
from push.handshakes import read_bearer, read_header
from push.problems import MEDIA_TYPE, render_problem, status_of
from push.tokens import ANYBODY, CredentialRefusedError, Identity, TokenVerifier

HttpAnswer = dict[str, Any]


def identify(event: Mapping[str, Any], tokens: TokenVerifier | None, now: float) -> Identity:
    """Return who asks; `now` is in seconds since 1970, and without a verifier everybody may.

    Raises:
        CredentialRefusedError: there is no good token.
        TransientError: the keys can't be had.

    """
    if tokens is None:
        return ANYBODY
    token = read_bearer(read_header(event, "Authorization"))
    if not token:
        raise CredentialRefusedError("There is no token in the header `Authorization: Bearer`.")
    return tokens.verify(token, now)


def answer_json(status: int, document: bytes | str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """Return an answer that no cache keeps."""
    body = document if isinstance(document, str) else document.decode()
    everywhere = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": {**everywhere, **(headers or {})}, "body": body}


def answer_problem(error: PushasideError, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """Return the problem document of an error, with what a client needs to go on."""
    all_headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **(headers or {})}
    if error.code is ErrorCode.UNAUTHORIZED:
        all_headers["www-authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names the scheme
    if error.retryable:
        all_headers["retry-after"] = str(-(-(error.retry_after_ms or 1000) // 1000))
    return {"statusCode": status_of(error).value, "headers": all_headers, "body": render_problem(error)}


def refuse(event: Mapping[str, Any], error: PushasideError, logger: Logger) -> HttpAnswer:
    """Log what went wrong, in one line, and answer with it; the peer learns nothing of the inside."""
    request_id = event["requestContext"].get("requestId")
    level = logger.info if isinstance(error, RequestError) else logger.warning
    level("refused: %s %r", error.message, error.__cause__, code=error.code.value, request_id=request_id)
    if not isinstance(error, RequestError):
        error = PushasideError(code=error.code, retry_after_ms=error.retry_after_ms)
    return answer_problem(error)
