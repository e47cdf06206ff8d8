"""Handler of client messages: one route for each action, and one for everything else."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, assert_never

from aws_lambda_powertools import Logger

from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.redis.accepted_encodings import RedisAcceptedEncodings
from push.adapters.redis.connection import SyncRedis
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.deliveries import SqsDeliverySender
from push.adapters.wiring.initialization import initialize
from push.callers import Caller, read_caller
from push.computes import load_registry
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
from request.asking.accepting import Accepting
from request.asking.answerers import make_answerer
from request.asking.replying import Replier
from request.subscribing.topic_repliers import TopicRepliers
from request.subscribing.topic_replying import HasTopicReplier

AWHILE_MS = 1000
"""When a message may be sent again that met something of ours that did not answer."""

logger = Logger()


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the handler works with, made once per execution environment."""

    replier: Replier
    accepting: Accepting
    topics: HasTopicReplier
    metrics: BufferedMetrics
    reconnect_after_seconds: float


@cache
def build() -> Dependencies:
    """Make the dependencies from the environment."""
    settings = read_settings(RequestSettings, os.environ)
    metrics = BufferedMetrics()
    redis, registry = SyncRedis(settings), load_registry(settings.modules)
    accepting = Accepting(RedisAcceptedEncodings(redis), _now_ms)
    replier = Replier(
        answerer=make_answerer(settings, registry, redis, metrics),
        accepting=accepting,
        payloads=S3Payloads(settings.storage_bucket),
        deliveries=SqsDeliverySender(
            make_client("sqs"), settings.delivery_queue_url, ClaimChecks(settings.storage_bucket)
        ),
    )
    return Dependencies(
        replier=replier,
        accepting=accepting,
        topics=TopicRepliers(settings, redis, registry, accepting),
        metrics=metrics,
        reconnect_after_seconds=reconnect_after_seconds(settings.connection_seconds),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one WebSocket message in its route response."""
    dependencies = build()
    frame = handle(event, dependencies)
    dependencies.metrics.end_invocation()
    return {"statusCode": 200, "body": frame}


def handle(event: Mapping[str, Any], dependencies: Dependencies) -> str:
    """Return the frame that answers a message; a refusal is logged in one line."""
    request_id = None
    try:
        message = parse_message(event.get("body") or "")
        request_id = message.id
        return _answer(message, event, dependencies)
    except PushasideError as exc:
        if isinstance(exc, MessageRefusedError):
            request_id = exc.request_id
        context = event["requestContext"]
        level = logger.warning if isinstance(exc, TransientError) else logger.info
        level("refused: %s", exc.message, code=exc.code.value, connection_id=context["connectionId"])
        dependencies.metrics.count(Metric.REFUSED_MESSAGE, dimension=("Code", exc.code.value))
        return render_error(request_id, _as_told(exc))


def _as_told(error: PushasideError) -> PushasideError:
    """Return what clients are told of an error: when to come back if it will pass, and nothing of our inside."""
    if not isinstance(error, TransientError):
        return error
    return PushasideError(code=error.code, retry_after_ms=error.retry_after_ms or AWHILE_MS)


def _answer(message: ClientMessage, event: Mapping[str, Any], dependencies: Dependencies) -> str:
    caller = read_caller(event["requestContext"])
    match message:
        case Request():
            return dependencies.replier.reply(message, caller)
        case Hello():
            return _welcome(message, caller, dependencies)
        case Subscribe():
            return dependencies.topics.replier.subscribe(message, caller)
        case Unsubscribe():
            return dependencies.topics.replier.unsubscribe(message, caller)
        case Publish():
            return dependencies.topics.replier.publish(message, caller)
        case _:
            assert_never(message)


def _welcome(hello: Hello, caller: Caller, dependencies: Dependencies) -> str:
    dependencies.accepting.note(caller.connection_id, hello.accept)
    refused = dependencies.topics.replier.resume(hello, caller) if hello.positions else {}
    told = {topic: _as_told(error) for topic, error in refused.items()}
    session = hello.session or secrets.token_urlsafe(16)
    return render_welcome(hello.id, session, dependencies.reconnect_after_seconds, told)


initialize(build)
