"""Handler of the request queue."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.clock import now_ms
from push.adapters.redis.connection import SyncRedis
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.sqs.requests import SqsRequests, SqsWebhooks
from push.adapters.wiring import event_loop
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.recording import build_recorder, build_request_records
from push.queues.redelivery import Redelivery
from push.settings import QueuedSettings, read_settings
from request.asking.client_requests import ClientRequests
from request.durable.queued_requests import Message, QueuedRequests
from request.wiring.engine import make_engine

logger = Logger()


class QueueParts(msgspec.Struct, frozen=True):
    """The parts of the function, made once per execution environment."""

    requests: QueuedRequests
    redelivery: Redelivery
    metrics: BufferedMetrics


@cache
def build() -> QueueParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"request", "push"})
    settings = read_settings(QueuedSettings, os.environ)
    metrics, bodies = BufferedMetrics(interval_seconds=0.0), ClaimChecks(settings.storage_bucket)
    engine = make_engine(settings, load_offer(settings), SyncRedis(settings), metrics)
    requests = QueuedRequests(
        client_requests=ClientRequests(engine, now_ms),
        records=build_request_records(settings),
        recorder=build_recorder(settings, metrics),
        queue=SqsRequests(make_client("sqs"), settings.request_queue_url, bodies),
        webhooks=SqsWebhooks(make_client("sqs"), settings.webhook_queue_url),
        now_ms=now_ms,
        bodies=bodies,
    )
    return QueueParts(requests, make_redelivery(settings.request_queue_url), metrics)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Look at a batch of durable requests, and name the messages to redeliver."""
    parts, records = build(), event["Records"]
    messages = [Message(record["messageId"], record["body"]) for record in records]
    failed = event_loop.run(parts.requests.consume(messages))
    parts.redelivery.back_off(records, failed)
    parts.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


initialize(build)
