"""Handler of changes of sources: streams of tables, Kinesis streams, and the queue of all that comes as messages."""

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

from notify.hearing import Hearing
from notify.invalidation import Invalidation
from notify.live_changes import LiveChanges
from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.dynamodb.images import read_image
from push.adapters.dynamodb.subscribers import DynamoDbLiveResults, DynamoDbSubscribers
from push.adapters.redis.connection import shared_async_redis
from push.adapters.redis.link_marks import RedisLinkMarks
from push.adapters.redis.recent_changes import RedisRecentChanges
from push.adapters.redis.tags import RedisTags
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.jobs import SqsJobs
from push.adapters.sqs.kept_changes import SqsKeptChanges
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.wiring import event_loop
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.registered_functions import load_functions
from push.changes.own_sources import BUILT_IN
from push.changes.reading import QUEUE
from push.changes.source_names import SourceNames
from push.changes.telling import Teller
from push.queues.redelivery import Redelivery
from push.settings import ChangeSettings, read_settings
from push.sources.declared import parse_sources

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
    sqs, bodies = make_client("sqs", connections=20), ClaimChecks(settings.storage_bucket)
    metrics = BufferedMetrics(interval_seconds=0.0)
    live = LiveChanges(
        live=DynamoDbLiveResults(dynamodb, settings.subscriptions_table),
        subscribers=DynamoDbSubscribers(dynamodb, settings.subscriptions_table),
        marks=RedisLinkMarks(redis),
        recent=RedisRecentChanges(redis),
        jobs=SqsJobs(sqs, settings.compute_queue_url, bodies),
        debounce_ms=settings.live_debounce_ms,
        now_ms=_now_ms,
        new_token=_new_token,
        random=random.random,
    )
    invalidation = Invalidation(
        hearing=Hearing(teller=_make_teller(settings), bodies=bodies, counter=metrics),
        tags=RedisTags(redis, _explain if settings.explain_changes else None),
        live=live,
        kept=SqsKeptChanges(sqs, settings.change_dead_letter_queue_url, bodies),
        counter=metrics,
        now_ms=_now_ms,
        settings=settings,
    )
    return ChangesParts(invalidation, make_redelivery(settings.change_queue_url), metrics)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Apply a batch of changes, and name the records to redeliver.

    For a stream, only the first failed record is named: Lambda retries it and all records after it ("Configuring
    partial batch response with DynamoDB and Lambda" and "... with Kinesis Data Streams and Lambda", Developer Guide).
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


def _make_teller(settings: ChangeSettings) -> Teller:
    names = SourceNames(parse_sources(settings.sources), parse_sources(settings.built_in_sources))
    functions = load_functions(settings)
    for source, registered in functions.by_source.items():
        if source not in names.all and not source.startswith(BUILT_IN):
            # Not an error: events are also named by their senders, and the changes of other sources must go on.
            logger.warning("%s is registered for %r, which pushaside.toml does not name", registered[0].place, source)
    return Teller(names, functions, read_image)


def _explain(tag: str, key: str) -> None:
    logger.info("%s is stale: %s changed", key, tag, stale_key=key)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_token() -> str:
    return f"changed {secrets.token_hex(12)}"


def _is_of_stream(records: Sequence[Mapping[str, Any]]) -> bool:
    return bool(records[0]["eventSource"] != QUEUE)


initialize(build)
