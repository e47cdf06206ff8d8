"""Handler of changes of sources: table streams, and the queue of S3 notifications and of tags that callers raise."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from notify.invalidation import Invalidation
from notify.live_changes import LiveChanges
from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.dynamodb.subscribers import DynamoDbLiveResults, DynamoDbSubscribers
from push.adapters.redis.connection import shared_async_redis
from push.adapters.redis.leaderboards import RedisLeaderboards
from push.adapters.redis.recent_changes import RedisRecentChanges
from push.adapters.redis.tags import RedisTags
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.jobs import SqsJobs
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.wiring import event_loop
from push.adapters.wiring.initialization import initialize
from push.queues.redelivery import Redelivery
from push.settings import ChangeSettings, read_settings

logger = Logger()


@dataclass(frozen=True, slots=True)
class ChangesParts:
    """The parts of the function, made once per execution environment."""

    invalidation: Invalidation
    redelivery: Redelivery
    metrics: BufferedMetrics


@cache
def build() -> ChangesParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"notify", "push"})
    settings = read_settings(ChangeSettings, os.environ)
    redis, dynamodb = shared_async_redis(settings), make_client("dynamodb", connections=20)
    metrics = BufferedMetrics(interval_seconds=0.0)
    live = LiveChanges(
        live=DynamoDbLiveResults(dynamodb, settings.subscriptions_table),
        subscribers=DynamoDbSubscribers(dynamodb, settings.subscriptions_table),
        recent=RedisRecentChanges(redis),
        jobs=SqsJobs(
            make_client("sqs", connections=20), settings.compute_queue_url, ClaimChecks(settings.storage_bucket)
        ),
        debounce_ms=settings.live_debounce_ms,
        now_ms=_now_ms,
        new_token=_new_token,
        random=random.random,
    )
    invalidation = Invalidation(
        tags=RedisTags(redis),
        boards=RedisLeaderboards(redis),
        live=live,
        counter=metrics,
        now_ms=_now_ms,
    )
    return ChangesParts(invalidation, make_redelivery(settings.change_queue_url), metrics)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Apply a batch of changes, and name the records to redeliver.

    For a stream, only the first failed record is named: Lambda retries it and all records after it ("Reporting batch
    item failures for Lambda functions with DynamoDB", Developer Guide).
    """
    parts = build()
    records = event["Records"]
    failed = event_loop.run(parts.invalidation.apply(records))
    if _is_of_stream(records):
        failed = failed[:1]
    else:
        parts.redelivery.back_off(records, failed)
    parts.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in failed]}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_token() -> str:
    return f"changed {secrets.token_hex(12)}"


def _is_of_stream(records: Sequence[Mapping[str, Any]]) -> bool:
    return bool(records[0]["eventSource"] != "aws:sqs")


initialize(build)
