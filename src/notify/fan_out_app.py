"""Handler of the fan-out queue: pushes new messages of topics to their subscribers."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, assert_never

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from notify.shared_patches import SharedPatches
from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.clock import now_ms
from push.adapters.dynamodb.gone_connections import DynamoDbGoneConnections
from push.adapters.dynamodb.subscribers import DynamoDbSubscribers
from push.adapters.redis.connection import shared_async_redis
from push.adapters.redis.histories import RedisHistory
from push.adapters.redis.presence import RedisToldMembers
from push.adapters.redis.shard_progress import RedisShardProgress
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.fan_out import SqsFanOutJobSender
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.wiring import event_loop
from push.adapters.wiring.delivery import build_series_connections
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.errors import RequestError, TransientError
from push.queues.redelivery import Redelivery
from push.settings import FanOutSettings, read_settings
from push.topics.fan_out_jobs import CatchUp, FanOutJob, Farewell, Nudge, PresenceLook, parse_fan_out_job
from push.topics.fanning_out import FanningOut, LeftAloneError, Receipt
from push.topics.patched_updates import PatchedUpdates
from push.topics.presence import Presence
from push.topics.rights import SubscriberRights
from push.topics.topics import SHARDS, parse_topic_storage

WORK_MS = 13_000
"""Work that has not begun by then is handed over: the function has 20 s, and work in progress takes up to 6 s."""

logger = Logger()


@dataclass(frozen=True, slots=True)
class FanOutParts:
    """The parts of the function, made once per execution environment."""

    fanning_out: FanningOut
    presence: Presence
    redelivery: Redelivery
    metrics: BufferedMetrics


@cache
def build() -> FanOutParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"notify", "push"})
    settings = read_settings(FanOutSettings, os.environ)
    redis, dynamodb = shared_async_redis(settings), make_client("dynamodb", connections=20)
    metrics = BufferedMetrics(interval_seconds=0.0)
    queue = SqsFanOutJobSender(make_client("sqs"), settings.fan_out_queue_url)
    subscribers = DynamoDbSubscribers(dynamodb, settings.subscriptions_table)
    connections = build_series_connections(settings)
    records = DynamoDbGoneConnections(dynamodb, settings.connections_table)
    namespaces = shipped_namespaces(settings.topics)

    async def send(jobs: Sequence[FanOutJob], delay_seconds: int) -> None:
        await asyncio.to_thread(queue.send, jobs, delay_seconds)

    presence = Presence(
        subscribers=subscribers, told=RedisToldMembers(redis), connections=connections, records=records, send=send
    )
    histories = RedisHistory(redis)
    patched = PatchedUpdates(
        histories=histories, make_patch=SharedPatches(), is_patched=lambda topic: namespaces.find(topic).patches
    )
    fanning_out = FanningOut(
        progress=RedisShardProgress(redis),
        histories=histories,
        subscribers=subscribers,
        connections=connections,
        records=records,
        send=send,
        link=S3Payloads(settings.storage_bucket).link,
        counter=metrics,
        now_ms=now_ms,
        random=random.random,
        patched=patched,
        rights=SubscriberRights(
            find_registry=cache(lambda: load_offer(settings)),
            subscribers=subscribers,
            connections=connections,
        ),
        has_presence=lambda topic: namespaces.find(topic).presence,
    )
    return FanOutParts(fanning_out, presence, make_redelivery(settings.fan_out_queue_url), metrics)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Run a batch of jobs, and name the messages to redeliver."""
    parts = build()
    records = event["Records"]
    again = event_loop.run(handle(records, parts, now_ms() + WORK_MS))
    parts.redelivery.back_off(records, [message_id for message_id, is_soon in again.items() if is_soon])
    parts.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


async def handle(records: Sequence[Mapping[str, Any]], parts: FanOutParts, until_ms: int) -> dict[str, bool]:
    """Return the ids of the messages to redeliver, and for each whether soon. Equal jobs run once."""
    received: dict[FanOutJob, list[Mapping[str, Any]]] = {}
    for record in records:
        try:
            received.setdefault(parse_fan_out_job(record["body"]), []).append(record)
        except RequestError as exc:
            logger.warning("a message is not a job of this version and is dropped: %s", exc.message)
    runs = (
        _try(job, parts, Receipt(same[0]["messageId"], until_ms, any(map(_is_redelivered, same))))
        for job, same in received.items()
    )
    faults = await asyncio.gather(*runs)
    return {
        record["messageId"]: not isinstance(fault, LeftAloneError)
        for same, fault in zip(received.values(), faults, strict=True)
        for record in same
        if fault is not None
    }


def _is_redelivered(record: Mapping[str, Any]) -> bool:
    return int(record["attributes"]["ApproximateReceiveCount"]) > 1


async def _try(job: FanOutJob, parts: FanOutParts, receipt: Receipt) -> TransientError | None:
    """Run a job; return the error if it must be redelivered."""
    try:
        await _run(job, parts, receipt)
    except RequestError as exc:
        logger.warning("a job cannot be run and is dropped: %s", exc.message)
    except TransientError as exc:
        logger.warning("a job is redelivered: %s", exc.message)
        return exc
    return None


async def _run(job: FanOutJob, parts: FanOutParts, receipt: Receipt) -> None:
    fanning_out = parts.fanning_out
    match job:
        case Nudge(topic=name, shard=shard):
            topic = parse_topic_storage(name)
            shards = range(SHARDS) if shard is None else (shard,)
            await _run_all([fanning_out.nudge(topic, each, receipt) for each in shards])
        case CatchUp(topic=name, connection_id=connection_id, attempt=attempt):
            await fanning_out.catch_up(parse_topic_storage(name), connection_id, attempt, receipt.until_ms)
        case PresenceLook(topic=name):
            await parts.presence.look(parse_topic_storage(name))
        case Farewell():
            await fanning_out.say_farewell(job)
        case _:
            assert_never(job)


async def _run_all(runs: Sequence[Awaitable[None]]) -> None:
    """Let all runs end before raising the error of one: a failed shard does not stop the others."""
    faults = [each for each in await asyncio.gather(*runs, return_exceptions=True) if each is not None]
    if faults:
        # A job that must not be redelivered soon decides for all.
        raise next((each for each in faults if isinstance(each, LeftAloneError)), faults[0])


initialize(build)
