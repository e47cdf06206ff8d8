"""Events and responses of the HTTP API (payload format 2.0): read the caller and the body, write JSON and problems."""

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
    """Return the caller's identity; without a verifier every caller is anybody. `now` is in seconds since 1970.

    Raises:
        CredentialRefusedError: the token is missing or not valid.
        TransientError: the keys that verify tokens could not be fetched.

    """
    if tokens is None:
        return ANYBODY
    token = read_bearer(read_header(event, "Authorization"))
    if not token:
        raise CredentialRefusedError("The header `Authorization: Bearer` is missing or has no token.")
    return tokens.verify(token, now)


def read_body(event: Mapping[str, Any]) -> bytes:
    """Return the body of an event, decoded if API Gateway encoded it as binary.

    Raises:
        RequestError: the body is not valid base64 (`invalid_json`).

    """
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as exc:
        raise RequestError("The body is not valid base64.", code=ErrorCode.INVALID_JSON) from exc


def read_json_body(event: Mapping[str, Any]) -> bytes:
    """Return the body of an event whose `Content-Type` is JSON or missing.

    Raises:
        UnsupportedMediaError: the body has another media type.
        RequestError: the body is not valid base64 (`invalid_json`).

    """
    media_type = read_header(event, "Content-Type").partition(";")[0].strip().lower()
    if media_type not in ("application/json", ""):
        raise UnsupportedMediaError(f"The body is {media_type[:64]!r}; it must be application/json.")
    return read_body(event)


def json_response(status: int, document: bytes | str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON response that no cache stores."""
    body = document if isinstance(document, str) else document.decode()
    everywhere = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": {**everywhere, **(headers or {})}, "body": body}


def problem_response(error: PushasideError, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the problem document of an error, with the headers that tell a client how to go on."""
    all_headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **(headers or {})}
    if error.code is ErrorCode.UNAUTHORIZED:
        all_headers["www-authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names the scheme
    if error.retryable:
        all_headers["retry-after"] = str(-(-(error.retry_after_ms or 1000) // 1000))
    return {"statusCode": status_of(error).value, "headers": all_headers, "body": render_problem(error)}


def refuse(event: Mapping[str, Any], error: PushasideError, logger: Logger) -> HttpResponse:
    """Log an error in one line, and return its problem document without internals."""
    request_id = event["requestContext"].get("requestId")
    level = logger.info if isinstance(error, RequestError) else logger.warning
    level("refused: %s %r", error.message, error.__cause__, code=error.code.value, request_id=request_id)
    if not isinstance(error, RequestError):
        error = PushasideError(code=error.code, retry_after_ms=error.retry_after_ms)
    return problem_response(error)
