"""Handler of the HTTP API: health, one-time tickets to connect with, durable requests, and webhooks' keys."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.access.handshakes import read_header
from push.access.tickets import TICKET_SECONDS
from push.access.tokens import Identity
from push.durable.requests import RequestStatus
from push.durable.webhook_keys import public_keys
from push.errors import ErrorCode, PushasideError, RequestError
from request.durable.documents import render_request, seconds_to_retry
from request.durable.requests import MAX_WAIT_SECONDS
from request.http_answers import HttpAnswer, answer_json, identify, read_json_body, refuse
from request.http_dependencies import Dependencies

logger = Logger()


@cache
def build() -> Dependencies:
    """Make the dependencies, which read the environment when they are needed: `GET /healthz` needs none."""
    copy_config_to_registered_loggers(logger, include={"push"})
    return Dependencies(os.environ)


def handler(event: dict[str, Any], _context: object) -> HttpAnswer:
    """Answer one HTTP request (payload format 2.0)."""
    return handle(event, build(), now=time.time())


def handle(event: Mapping[str, Any], dependencies: Dependencies, *, now: float) -> HttpAnswer:
    """Answer an HTTP request; what goes wrong is answered as a problem document."""
    try:
        match event["routeKey"]:
            case "GET /healthz":
                return answer_json(200, msgspec.json.encode({"status": "ok"}))
            case "POST /tickets":
                return _issue_ticket(dependencies, identify(event, dependencies.tokens, now), now)
            case "POST /requests":
                return _accept_request(event, dependencies, identify(event, dependencies.tokens, now))
            case "GET /requests/{id}":
                return _show_request(event, dependencies, identify(event, dependencies.tokens, now), now)
            case "GET /webhooks/keys":
                return _show_keys(dependencies, identify(event, dependencies.tokens, now))
            case route:
                raise RequestError(f"There is no route {route!r}.", code=ErrorCode.NOT_FOUND)
    except PushasideError as exc:
        return refuse(event, exc, logger)


def _issue_ticket(dependencies: Dependencies, identity: Identity, now: float) -> HttpAnswer:
    ticket = secrets.token_urlsafe(32)
    dependencies.tickets.issue(ticket, identity, now)
    return answer_json(201, msgspec.json.encode({"ticket": ticket, "expires_in_seconds": TICKET_SECONDS}))


def _accept_request(event: Mapping[str, Any], dependencies: Dependencies, identity: Identity) -> HttpAnswer:
    accepted = dependencies.requests.accept(read_json_body(event), read_header(event, "Idempotency-Key"), identity)
    headers = {"location": f"/requests/{quote(accepted.id, safe='')}"}
    if accepted.status is RequestStatus.PENDING:
        headers["retry-after"] = "1"
    return answer_json(202, msgspec.json.encode({"id": accepted.id, "status": accepted.status}), headers)


def _show_request(event: Mapping[str, Any], dependencies: Dependencies, identity: Identity, now: float) -> HttpAnswer:
    request_id = (event.get("pathParameters") or {})["id"]
    record = dependencies.requests.find(identity.tenant, request_id, _read_wait(event))
    headers = {}
    if record.status is RequestStatus.PENDING:
        headers["retry-after"] = str(seconds_to_retry(record, int(now * 1000)))
    return answer_json(200, render_request(record, dependencies.link), headers)


def _show_keys(dependencies: Dependencies, identity: Identity) -> HttpAnswer:
    return answer_json(200, msgspec.json.encode(public_keys(dependencies.masters.read(), identity.tenant)))


def _read_wait(event: Mapping[str, Any]) -> float:
    """Return for how many seconds the caller would wait for a request to be settled."""
    text = (event.get("queryStringParameters") or {}).get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        sentence = f"`wait` must be a number of seconds from 0 to {MAX_WAIT_SECONDS}."
        raise RequestError(sentence, code=ErrorCode.INVALID_MESSAGE)
    return seconds
