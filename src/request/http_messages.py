"""What the functions behind the HTTP API share: who asks what, and answers in payload format 2.0."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from push.access.handshakes import read_bearer, read_header
from push.access.ports import TokenVerifier
from push.access.tokens import ANYBODY, CredentialRefusedError, Identity
from push.errors import ErrorCode, PushasideError, RequestError
from push.protocol.problems import MEDIA_TYPE, UnsupportedMediaError, render_problem, status_of

HttpResponse = dict[str, Any]


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


def read_body(event: Mapping[str, Any]) -> bytes:
    """Return the body of an event: API Gateway encodes what it does not take for text.

    Raises:
        RequestError: it can't be read (`invalid_json`).

    """
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as exc:
        raise RequestError("The body can't be read.", code=ErrorCode.INVALID_JSON) from exc


def read_json_body(event: Mapping[str, Any]) -> bytes:
    """Return the body of an event that is said to be JSON, or not said to be anything.

    Raises:
        UnsupportedMediaError: it is said to be something else.
        RequestError: it can't be read (`invalid_json`).

    """
    media_type = read_header(event, "Content-Type").partition(";")[0].strip().lower()
    if media_type not in ("application/json", ""):
        raise UnsupportedMediaError(f"The body is {media_type[:64]!r}, and must be application/json.")
    return read_body(event)


def json_response(status: int, document: bytes | str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return an answer that no cache keeps."""
    body = document if isinstance(document, str) else document.decode()
    everywhere = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": {**everywhere, **(headers or {})}, "body": body}


def problem_response(error: PushasideError, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the problem document of an error, with what a client needs to go on."""
    all_headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **(headers or {})}
    if error.code is ErrorCode.UNAUTHORIZED:
        all_headers["www-authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names the scheme
    if error.retryable:
        all_headers["retry-after"] = str(-(-(error.retry_after_ms or 1000) // 1000))
    return {"statusCode": status_of(error).value, "headers": all_headers, "body": render_problem(error)}


def refuse(event: Mapping[str, Any], error: PushasideError, logger: Logger) -> HttpResponse:
    """Log what went wrong, in one line, and answer with it; the peer learns nothing of the inside."""
    request_id = event["requestContext"].get("requestId")
    level = logger.info if isinstance(error, RequestError) else logger.warning
    level("refused: %s %r", error.message, error.__cause__, code=error.code.value, request_id=request_id)
    if not isinstance(error, RequestError):
        error = PushasideError(code=error.code, retry_after_ms=error.retry_after_ms)
    return problem_response(error)
