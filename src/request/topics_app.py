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
from request.http_answers import HttpAnswer, answer_json, identify, read_body, read_json_body, refuse
from request.subscribing.publications import parse_publication
from request.subscribing.topic_dependencies import Dependencies

logger = Logger()


@cache
def build() -> Dependencies:
    """Make the dependencies, each part of which reads the environment when it is needed."""
    copy_config_to_registered_loggers(logger, include={"push"})
    return Dependencies(os.environ)


def handler(event: dict[str, Any], _context: object) -> HttpAnswer:
    """Answer one HTTP request (payload format 2.0)."""
    return handle(event, build(), now=time.time())


def handle(event: Mapping[str, Any], dependencies: Dependencies, *, now: float) -> HttpAnswer:
    """Answer an HTTP request; what goes wrong is answered as a problem document."""
    try:
        match event["routeKey"]:
            case "POST /topics/{topic}":
                return _publish(event, dependencies, identify(event, dependencies.tokens, now))
            case "GET /topics/{topic}":
                identity = identify(event, dependencies.tokens, now)
                return answer_json(200, msgspec.json.encode(dependencies.pages.find(_path(event, "topic"), identity)))
            case "POST /hooks/{source}":
                return _receive(event, dependencies, now)
            case route:
                raise RequestError(f"There is no route {route!r}.", code=ErrorCode.NOT_FOUND)
    except PushasideError as exc:
        if isinstance(exc, HookRefusedError):
            logger.info("a webhook of %s was refused: %s", _path(event, "source"), exc.reason)
        return refuse(event, exc, logger)


def _publish(event: Mapping[str, Any], dependencies: Dependencies, identity: Identity) -> HttpAnswer:
    publication = parse_publication(read_json_body(event), read_header(event, "Idempotency-Key"), identity.principal)
    messages: Sequence[NewMessage] = publication.messages
    _, positions = dependencies.publishing.publish(_path(event, "topic"), messages, identity.tenant, identity.principal)
    texts = [str(position) for position in positions]
    return answer_json(
        200, msgspec.json.encode({"positions": texts} if publication.is_batch else {"position": texts[0]})
    )


def _receive(event: Mapping[str, Any], dependencies: Dependencies, now: float) -> HttpAnswer:
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    received = dependencies.webhooks.receive(_path(event, "source"), Hook(headers, read_body(event)), now)
    if received is None:
        return answer_json(200, msgspec.json.encode({"published": False}))
    document = {"published": True, "topic": received.topic, "position": str(received.position)}
    return answer_json(200, msgspec.json.encode(document))


def _path(event: Mapping[str, Any], name: str) -> str:
    # A topic's name may hold `/`, which a path segment can hold as %2F only; no name holds a percent sign.
    return unquote((event.get("pathParameters") or {})[name])
