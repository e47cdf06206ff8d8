"""Handler of the delivery queue and of the compute queue's dead letters."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from notify.dead_letters import DeadLetters
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.clock import now_ms
from push.adapters.redis.connection import shared_async_redis
from push.adapters.redis.leases import RedisLeases
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.wiring import event_loop
from push.adapters.wiring.delivery import build_deliverer, build_waiter_frames
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.recording import build_recorder
from push.delivery.deliveries import Delivery, parse_delivery
from push.delivery.delivering import Deliverer
from push.delivery.waiter_answers import WaiterAnswers
from push.errors import RequestError, TransientError
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies
from push.queues.redelivery import Redelivery
from push.settings import NotifySettings, read_settings

logger = Logger()


@dataclass(frozen=True, slots=True)
class DeliveriesParts:
    """The parts of the function, made once per execution environment."""

    delivery_queue_name: str
    deliverer: Deliverer
    dead_letters: DeadLetters
    redeliveries: Mapping[str, Redelivery]
    """Keyed by the name of the queue."""
    metrics: BufferedMetrics
    bodies: QueueBodies = INLINE_BODIES


@cache
def build() -> DeliveriesParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"notify", "push"})
    settings = read_settings(NotifySettings, os.environ)
    metrics = BufferedMetrics(interval_seconds=0.0)
    leases, bodies = RedisLeases(shared_async_redis(settings)), ClaimChecks(settings.storage_bucket)
    deliverer = build_deliverer(settings, metrics)
    dead_letters = DeadLetters(
        registry=load_offer(settings),
        leases=leases,
        answers=WaiterAnswers(
            leases=leases,
            frames=build_waiter_frames(settings),
            deliverer=deliverer,
            recorder=build_recorder(settings, metrics),
            now_ms=now_ms,
        ),
        counter=metrics,
        now_ms=now_ms,
        bodies=bodies,
    )
    urls = (settings.delivery_queue_url, settings.compute_dead_letter_queue_url)
    redeliveries = {_last_part(url, "/"): make_redelivery(url) for url in urls}
    delivery_queue_name = _last_part(settings.delivery_queue_url, "/")
    return DeliveriesParts(delivery_queue_name, deliverer, dead_letters, redeliveries, metrics, bodies)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Send a batch of deliveries, or end a batch of dead letters, and name the messages to redeliver."""
    parts, records = build(), event["Records"]
    failed = event_loop.run(handle(records, parts))
    parts.redeliveries[_queue_name(records)].back_off(records, failed)
    parts.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


async def handle(records: Sequence[Mapping[str, Any]], parts: DeliveriesParts) -> list[str]:
    """Return the ids of the messages to redeliver; a batch comes from one queue."""
    if _queue_name(records) == parts.delivery_queue_name:
        return await _deliver(records, parts.deliverer, parts.bodies)
    failures = await asyncio.gather(*(_end(record, parts.dead_letters) for record in records))
    return [message_id for message_id in failures if message_id is not None]


async def _deliver(records: Sequence[Mapping[str, Any]], deliverer: Deliverer, bodies: QueueBodies) -> list[str]:
    deliveries: dict[Delivery, str] = {}
    unread = []
    for record in records:
        try:
            deliveries[parse_delivery(await bodies.unpack(record["body"]))] = record["messageId"]
        except RequestError as exc:
            logger.warning("a message is not a delivery of this version and is dropped: %s", exc.message)
        except TransientError as exc:
            logger.warning("a delivery is redelivered: %s", exc.message)
            unread.append(record["messageId"])
    left = await deliverer.deliver(list(deliveries))
    return unread + [deliveries[delivery] for delivery in left]


async def _end(record: Mapping[str, Any], dead_letters: DeadLetters) -> str | None:
    try:
        await dead_letters.end(record["body"])
    except TransientError as exc:
        logger.warning("a dead letter is redelivered: %s", exc.message)
        message_id: str = record["messageId"]
        return message_id
    return None


def _queue_name(records: Sequence[Mapping[str, Any]]) -> str:
    return _last_part(records[0]["eventSourceARN"], ":")


def _last_part(name: str, separator: str) -> str:
    return name.rpartition(separator)[2]


initialize(build)
