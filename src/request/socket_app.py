"""Handler of client messages: a route for each action, and one for all other messages."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any, assert_never

import msgspec
from aws_lambda_powertools import Logger

from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.redis.accepted_encodings import RedisAcceptedEncodings
from push.adapters.redis.connection import SyncRedis
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.deliveries import SqsDeliverySender
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.offered_computes import load_offer
from push.callers import Caller, read_caller
from push.errors import PushasideError, TransientError
from push.metrics import Metric
from push.protocol.frames import render_error, render_welcome
from push.protocol.messages import (
    ClientMessage,
    Hello,
    MessageRefusedError,
    Publish,
    Request,
    Subscribe,
    Unsubscribe,
    parse_message,
)
from push.settings import RequestSettings, read_settings
from push.topics.farewells import reconnect_after_seconds
from request.asking.client_encodings import ClientEncodings
from request.asking.client_requests import ClientRequests
from request.asking.socket_replies import SocketReplies
from request.subscribing.topic_replies import HasTopicReplies
from request.wiring.engine import make_engine, now_ms
from request.wiring.socket_topics import SocketTopics

RETRY_AFTER_MS = 1000
"""The delay after which a client may retry if a service did not answer and the error names no delay."""

logger = Logger()


class SocketParts(msgspec.Struct, frozen=True):
    """The parts of the function, made once per execution environment."""

    replies: SocketReplies
    client_encodings: ClientEncodings
    topics: HasTopicReplies
    metrics: BufferedMetrics
    reconnect_after_seconds: float


@cache
def build() -> SocketParts:
    """Make the parts from the environment's variables."""
    settings = read_settings(RequestSettings, os.environ)
    metrics = BufferedMetrics()
    redis, registry = SyncRedis(settings), load_offer(settings)
    client_encodings = ClientEncodings(RedisAcceptedEncodings(redis), now_ms)
    engine = make_engine(settings, registry, redis, metrics)
    replies = SocketReplies(
        client_requests=ClientRequests(engine, now_ms),
        client_encodings=client_encodings,
        payloads=S3Payloads(settings.storage_bucket),
        deliveries=SqsDeliverySender(
            make_client("sqs"), settings.delivery_queue_url, ClaimChecks(settings.storage_bucket)
        ),
    )
    return SocketParts(
        replies=replies,
        client_encodings=client_encodings,
        topics=SocketTopics(settings, redis, registry, engine, client_encodings),
        metrics=metrics,
        reconnect_after_seconds=reconnect_after_seconds(settings.connection_seconds),
    )


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one WebSocket message in its route response."""
    parts = build()
    frame = handle(event, parts)
    parts.metrics.end_invocation()
    return {"statusCode": 200, "body": frame}


def handle(event: Mapping[str, Any], parts: SocketParts) -> str:
    """Return the frame that answers a message; log a refusal in one line."""
    request_id = None
    try:
        message = parse_message(event.get("body") or "")
        request_id = message.id
        return _answer(message, event, parts)
    except PushasideError as exc:
        if isinstance(exc, MessageRefusedError):
            request_id = exc.request_id
        context = event["requestContext"]
        level = logger.warning if isinstance(exc, TransientError) else logger.info
        level("refused: %s", exc.message, code=exc.code.value, connection_id=context["connectionId"])
        parts.metrics.count(Metric.REFUSED_MESSAGE, dimension=("Code", exc.code.value))
        return render_error(request_id, _public_error(exc))


def _public_error(error: PushasideError) -> PushasideError:
    """Return an error as clients see it: a transient one without its internals, but with a time to retry."""
    if not isinstance(error, TransientError):
        return error
    return PushasideError(code=error.code, retry_after_ms=error.retry_after_ms or RETRY_AFTER_MS)


def _answer(message: ClientMessage, event: Mapping[str, Any], parts: SocketParts) -> str:
    caller = read_caller(event["requestContext"])
    match message:
        case Request():
            return parts.replies.reply(message, caller)
        case Hello():
            return _welcome(message, caller, parts)
        case Subscribe():
            return parts.topics.replies.subscribe(message, caller)
        case Unsubscribe():
            return parts.topics.replies.unsubscribe(message, caller)
        case Publish():
            return parts.topics.replies.publish(message, caller)
        case _:
            assert_never(message)


def _welcome(hello: Hello, caller: Caller, parts: SocketParts) -> str:
    parts.client_encodings.note(caller.connection_id, hello.accept)
    refused = parts.topics.replies.resume(hello, caller) if hello.positions else {}
    told = {topic: _public_error(error) for topic, error in refused.items()}
    session = hello.session or secrets.token_urlsafe(16)
    return render_welcome(hello.id, session, parts.reconnect_after_seconds, told)


initialize(build)
