"""Handler of the HTTP API: health, tickets, durable requests, changed tags, the computes on offer, webhooks' keys."""

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
from push.computes.catalogue import describe_all
from push.durable.requests import RequestStatus
from push.durable.webhook_keys import public_keys
from push.errors import ErrorCode, PushasideError, RequestError
from push.sources.raised_tags import parse_raised_tags, permit
from request.durable.request_documents import render_request, seconds_to_retry
from request.durable.requests import MAX_WAIT_SECONDS
from request.http_messages import HttpResponse, identify, json_response, read_json_body, refuse
from request.wiring.http_parts import HttpParts

logger = Logger()


@cache
def build() -> HttpParts:
    """Make the parts, which read their settings at their first use: `GET /healthz` needs none."""
    copy_config_to_registered_loggers(logger, include={"push"})
    return HttpParts(os.environ)


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """Answer one HTTP request (payload format 2.0)."""
    return handle(event, build(), now=time.time())


def handle(event: Mapping[str, Any], parts: HttpParts, *, now: float) -> HttpResponse:
    """Answer an HTTP request; an error becomes a problem document."""
    try:
        match event["routeKey"]:
            case "GET /healthz":
                return json_response(200, msgspec.json.encode({"status": "ok"}))
            case "POST /tickets":
                return _issue_ticket(parts, identify(event, parts.tokens, now), now)
            case "POST /requests":
                return _accept_request(event, parts, identify(event, parts.tokens, now))
            case "GET /requests/{id}":
                return _show_request(event, parts, identify(event, parts.tokens, now), now)
            case "POST /changes":
                return _raise_tags(event, parts, identify(event, parts.tokens, now))
            case "GET /computes":
                return _show_computes(parts, identify(event, parts.tokens, now))
            case "GET /webhooks/keys":
                return _show_keys(parts, identify(event, parts.tokens, now))
            case route:
                raise RequestError(f"There is no route {route!r}.", code=ErrorCode.NOT_FOUND)
    except PushasideError as exc:
        return refuse(event, exc, logger)


def _issue_ticket(parts: HttpParts, identity: Identity, now: float) -> HttpResponse:
    ticket = secrets.token_urlsafe(32)
    parts.tickets.issue(ticket, identity, now)
    return json_response(201, msgspec.json.encode({"ticket": ticket, "expires_in_seconds": TICKET_SECONDS}))


def _accept_request(event: Mapping[str, Any], parts: HttpParts, identity: Identity) -> HttpResponse:
    accepted = parts.requests.accept(read_json_body(event), read_header(event, "Idempotency-Key"), identity)
    headers = {"location": f"/requests/{quote(accepted.id, safe='')}"}
    if accepted.status is RequestStatus.PENDING:
        headers["retry-after"] = "1"
    return json_response(202, msgspec.json.encode({"id": accepted.id, "status": accepted.status}), headers)


def _show_request(event: Mapping[str, Any], parts: HttpParts, identity: Identity, now: float) -> HttpResponse:
    request_id = (event.get("pathParameters") or {})["id"]
    record = parts.requests.find(identity, request_id, _read_wait(event))
    headers = {}
    if record.status is RequestStatus.PENDING:
        headers["retry-after"] = str(seconds_to_retry(record, int(now * 1000)))
    return json_response(200, render_request(record, parts.link), headers)


def _raise_tags(event: Mapping[str, Any], parts: HttpParts, identity: Identity) -> HttpResponse:
    raised = parse_raised_tags(read_json_body(event))
    parts.changes.send(permit(raised, identity.tenant, parts.change_right(identity.claims)))
    return json_response(202, msgspec.json.encode({"status": "accepted"}))


def _show_computes(parts: HttpParts, _identity: Identity) -> HttpResponse:
    return json_response(200, msgspec.json.encode(describe_all(parts.registry)))


def _show_keys(parts: HttpParts, identity: Identity) -> HttpResponse:
    return json_response(200, msgspec.json.encode(public_keys(parts.masters.read(), identity.tenant)))


def _read_wait(event: Mapping[str, Any]) -> float:
    """Return for how many seconds the caller waits for a request to be settled."""
    text = (event.get("queryStringParameters") or {}).get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        sentence = f"`wait` must be a number of seconds from 0 to {MAX_WAIT_SECONDS}."
        raise RequestError(sentence, code=ErrorCode.INVALID_MESSAGE)
    return seconds
