"""Handler of the HTTP API: health, and one-time tickets to connect with."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.adapters.token_access import make_tickets, make_verifier
from push.errors import ErrorCode, PushasideError, RequestError, TransientError
from push.handshakes import read_bearer, read_header
from push.problems import MEDIA_TYPE, STATUSES, render_problem
from push.settings import AuthorizerSettings, read_settings
from push.tickets import TICKET_SECONDS, Tickets
from push.tokens import ANYBODY, CredentialRefusedError, Identity, TokenVerifier

logger = Logger()
tracer = Tracer(auto_patch=False)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the handler works with, made once per execution environment; without `tokens` everybody may ask."""

    tokens: TokenVerifier | None
    tickets: Tickets


@cache
def build() -> Dependencies:
    """Make the dependencies from the environment."""
    copy_config_to_registered_loggers(logger, include={"push"})
    settings = read_settings(AuthorizerSettings, os.environ)
    tokens = None if settings.auth_mode == "none" else make_verifier(settings)
    return Dependencies(tokens, make_tickets(settings))


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one HTTP request (payload format 2.0)."""
    return handle(event, build, now=time.time())


def handle(event: Mapping[str, Any], build_dependencies: Callable[[], Dependencies], *, now: float) -> dict[str, Any]:
    """Answer an HTTP request; what goes wrong is answered as a problem document.

    The dependencies are only built for routes that need them, so that `GET /healthz` tells of the function alone.
    """
    try:
        match event["routeKey"]:
            case "GET /healthz":
                return _answer(200, {"status": "ok"})
            case "POST /tickets":
                return _issue_ticket(event, build_dependencies(), now)
            case route:
                raise RequestError(f"There is no route {route!r}.", code=ErrorCode.NOT_FOUND)
    except PushasideError as exc:
        return _refuse(event, exc)


def _issue_ticket(event: Mapping[str, Any], dependencies: Dependencies, now: float) -> dict[str, Any]:
    identity = _identify(event, dependencies.tokens, now)
    ticket = secrets.token_urlsafe(32)
    dependencies.tickets.issue(ticket, identity, now)
    return _answer(201, {"ticket": ticket, "expires_in_seconds": TICKET_SECONDS})


def _identify(event: Mapping[str, Any], tokens: TokenVerifier | None, now: float) -> Identity:
    if tokens is None:
        return ANYBODY
    token = read_bearer(read_header(event, "Authorization"))
    if not token:
        raise CredentialRefusedError("There is no token in the header `Authorization: Bearer`.")
    return tokens.verify(token, now)


def _answer(status: int, document: object) -> dict[str, Any]:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(document).decode()}


def _refuse(event: Mapping[str, Any], error: PushasideError) -> dict[str, Any]:
    request_id = event["requestContext"].get("requestId")
    level = logger.warning if isinstance(error, TransientError) else logger.info
    level("refused: %s %r", error.message, error.__cause__, code=error.code.value, request_id=request_id)
    headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
    if error.code is ErrorCode.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names the scheme
    if error.retryable:
        headers["retry-after"] = str(-(-(error.retry_after_ms or 1000) // 1000))
    return {"statusCode": STATUSES[error.code].value, "headers": headers, "body": render_problem(_public(error))}


def _public(error: PushasideError) -> PushasideError:
    """Keep from the peer what a fault of ours says of the inside."""
    if isinstance(error, RequestError):
        return error
    return PushasideError(code=error.code, retry_after_ms=error.retry_after_ms)
