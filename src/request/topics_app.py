"""Handler of topics over HTTP: `POST /topics/{topic}`, `GET /topics/{topic}` and `POST /hooks/{source}`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.access.handshakes import read_header
from push.access.tokens import Identity
from push.errors import ErrorCode, PushasideError, RequestError
from push.hooks.inbound import Hook, HookRefusedError
from push.topics.histories import NewMessage
from request.http_messages import HttpResponse, identify, json_response, read_body, read_json_body, refuse
from request.subscribing.publish_bodies import parse_publication
from request.wiring.topics_parts import TopicsParts

logger = Logger()


@cache
def build() -> TopicsParts:
    """Make the parts, which read their settings at their first use."""
    copy_config_to_registered_loggers(logger, include={"push"})
    return TopicsParts(os.environ)


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """Answer one HTTP request (payload format 2.0)."""
    return handle(event, build(), now=time.time())


def handle(event: Mapping[str, Any], parts: TopicsParts, *, now: float) -> HttpResponse:
    """Answer an HTTP request; an error becomes a problem document."""
    try:
        match event["routeKey"]:
            case "POST /topics/{topic}":
                return _publish(event, parts, identify(event, parts.tokens, now))
            case "GET /topics/{topic}":
                identity = identify(event, parts.tokens, now)
                return json_response(200, msgspec.json.encode(parts.pages.find(_path(event, "topic"), identity)))
            case "POST /hooks/{source}":
                return _receive(event, parts, now)
            case route:
                raise RequestError(f"There is no route {route!r}.", code=ErrorCode.NOT_FOUND)
    except PushasideError as exc:
        if isinstance(exc, HookRefusedError):
            logger.info("a webhook of %s was refused: %s", _path(event, "source"), exc.reason)
        return refuse(event, exc, logger)


def _publish(event: Mapping[str, Any], parts: TopicsParts, identity: Identity) -> HttpResponse:
    publication = parse_publication(read_json_body(event), read_header(event, "Idempotency-Key"), identity.principal)
    messages: Sequence[NewMessage] = publication.messages
    _, positions = parts.publishing.publish(_path(event, "topic"), messages, identity.tenant, identity.principal)
    texts = [str(position) for position in positions]
    return json_response(
        200, msgspec.json.encode({"positions": texts} if publication.is_batch else {"position": texts[0]})
    )


def _receive(event: Mapping[str, Any], parts: TopicsParts, now: float) -> HttpResponse:
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    received = parts.webhooks.receive(_path(event, "source"), Hook(headers, read_body(event)), now)
    if received is None:
        return json_response(200, msgspec.json.encode({"published": False}))
    document = {"published": True, "topic": received.topic, "position": str(received.position)}
    return json_response(200, msgspec.json.encode(document))


def _path(event: Mapping[str, Any], name: str) -> str:
    # A topic's name may contain `/`, which a path segment writes as %2F; no name contains a percent sign.
    return unquote((event.get("pathParameters") or {})[name])
