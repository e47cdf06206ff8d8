"""Handler of the compute queue."""

from __future__ import annotations

import os
import random
import time
from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from compute.computing import Computing
from compute.consumer import Consumer, parse_event
from compute.subscriber_updates import SubscriberUpdates
from compute.wiring import make_worker
from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.clock import now_ms
from push.adapters.dynamodb.subscribers import DynamoDbLiveLinks
from push.adapters.redis.connection import shared_async_redis
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.link_marks import RedisLinkMarks
from push.adapters.redis.live_histories import RedisLiveHistories
from push.adapters.redis.tags import RedisTags
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.fan_out import SqsFanOutJobSender
from push.adapters.sqs.jobs import SqsJobs
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.wiring import event_loop
from push.adapters.wiring.application_sources import ApplicationSources
from push.adapters.wiring.delivery import build_deliverer, build_waiter_frames
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.recording import build_recorder
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.delivery.waiter_answers import WaiterAnswers
from push.settings import ComputeSettings, read_settings
from push.sources.declared import parse_sources

logger = Logger()


class ComputeParts(msgspec.Struct, frozen=True):
    """The parts of the function, made once per execution environment."""

    consumer: Consumer
    metrics: BufferedMetrics


@cache
def build() -> ComputeParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"compute", "push"})
    settings = read_settings(ComputeSettings, os.environ)
    metrics = BufferedMetrics(interval_seconds=0.0)
    redis = shared_async_redis(settings)
    leases = RedisLeases(redis)
    answers = WaiterAnswers(
        leases=leases,
        frames=build_waiter_frames(settings),
        deliverer=build_deliverer(settings, metrics),
        recorder=build_recorder(settings, metrics),
        now_ms=now_ms,
    )
    payloads = S3Payloads(settings.storage_bucket)
    updates = SubscriberUpdates(
        leases=leases,
        histories=RedisLiveHistories(redis, shipped_namespaces(settings.topics)),
        payloads=payloads,
        fan_out=SqsFanOutJobSender(make_client("sqs"), settings.fan_out_queue_url),
    )
    bodies = ClaimChecks(settings.storage_bucket)
    jobs = SqsJobs(make_client("sqs"), settings.compute_queue_url, bodies)
    computing = Computing(
        settings=settings,
        sources=ApplicationSources(parse_sources(settings.sources)),
        payloads=payloads,
        counter=metrics,
        now_ms=now_ms,
        clock_us=lambda: time.monotonic_ns() // 1000,
        random=random.random,
    )
    worker = make_worker(
        computing=computing,
        leases=leases,
        tags=RedisTags(redis),
        answers=answers,
        updates=updates,
        links=DynamoDbLiveLinks(make_client("dynamodb"), settings.subscriptions_table),
        marks=RedisLinkMarks(redis),
        jobs=jobs,
        counter=metrics,
        now_ms=now_ms,
    )
    consumer = Consumer(
        registry=load_offer(settings),
        worker=worker,
        redelivery=make_redelivery(settings.compute_queue_url),
        jobs=jobs,
        bodies=bodies,
    )
    return ComputeParts(consumer, metrics)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Process a batch of jobs, and name the messages to redeliver."""
    parts = build()
    failed = event_loop.run(parts.consumer.consume(parse_event(event)))
    parts.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


initialize(build)
