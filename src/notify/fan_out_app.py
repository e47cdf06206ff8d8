"""Handler of the fan-out queue: pushes what is new in topics to their subscribers."""

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
from push.adapters.wiring.delivery import make_series, now_ms
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.errors import RequestError, TransientError
from push.queues.redelivery import Redelivery
from push.settings import FanOutSettings, read_settings
from push.topics.fan_out_jobs import CatchUp, FanOutJob, Farewell, Nudge, PresenceLook, parse_fan_out_job
from push.topics.fanning_out import FanningOut, LeftAloneError, Receipt
from push.topics.patched_updates import PatchedUpdates
from push.topics.presence import Presence
from push.topics.topics import SHARDS, parse_topic_storage

WORK_MS = 13_000
"""What is not begun in this time is handed over: the function has 20 s, and what was begun takes up to 6 more."""

logger = Logger()


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the handler works with, made once per execution environment."""

    fanning_out: FanningOut
    presence: Presence
    redelivery: Redelivery
    metrics: BufferedMetrics


@cache
def build() -> Dependencies:
    """Make the dependencies from the environment."""
    copy_config_to_registered_loggers(logger, include={"notify", "push"})
    settings = read_settings(FanOutSettings, os.environ)
    redis, dynamodb = shared_async_redis(settings), make_client("dynamodb", connections=20)
    metrics = BufferedMetrics(interval_seconds=0.0)
    queue = SqsFanOutJobSender(make_client("sqs"), settings.fan_out_queue_url)
    subscribers, connections = DynamoDbSubscribers(dynamodb, settings.subscriptions_table), make_series(settings)
    records, namespaces = DynamoDbGoneConnections(dynamodb, settings.connections_table), shipped_namespaces()

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
        has_presence=lambda topic: namespaces.find(topic).presence,
    )
    return Dependencies(fanning_out, presence, make_redelivery(settings.fan_out_queue_url), metrics)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Do what a batch asks for, and name the messages that are to come back."""
    dependencies = build()
    records = event["Records"]
    again = event_loop.run(handle(records, dependencies, now_ms() + WORK_MS))
    dependencies.redelivery.back_off(records, [message_id for message_id, is_soon in again.items() if is_soon])
    dependencies.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


async def handle(records: Sequence[Mapping[str, Any]], dependencies: Dependencies, until_ms: int) -> dict[str, bool]:
    """Return the ids of the messages that are to come back, and whether soon.

    The same job several times is done once.
    """
    received: dict[FanOutJob, list[Mapping[str, Any]]] = {}
    for record in records:
        try:
            received.setdefault(parse_fan_out_job(record["body"]), []).append(record)
        except RequestError as exc:
            logger.warning("a message is no job of this version and is dropped: %s", exc.message)
    works = (
        _try(job, dependencies, Receipt(same[0]["messageId"], until_ms, any(map(_is_redelivered, same))))
        for job, same in received.items()
    )
    faults = await asyncio.gather(*works)
    return {
        record["messageId"]: not isinstance(fault, LeftAloneError)
        for same, fault in zip(received.values(), faults, strict=True)
        for record in same
        if fault is not None
    }


def _is_redelivered(record: Mapping[str, Any]) -> bool:
    return int(record["attributes"]["ApproximateReceiveCount"]) > 1


async def _try(job: FanOutJob, dependencies: Dependencies, receipt: Receipt) -> TransientError | None:
    """Do a job; return why it is to come back, if it is."""
    try:
        await _work(job, dependencies, receipt)
    except RequestError as exc:
        logger.warning("a job can't be done and is dropped: %s", exc.message)
    except TransientError as exc:
        logger.warning("a job comes back: %s", exc.message)
        return exc
    return None


async def _work(job: FanOutJob, dependencies: Dependencies, receipt: Receipt) -> None:
    fanning_out = dependencies.fanning_out
    match job:
        case Nudge(topic=name, shard=shard):
            topic = parse_topic_storage(name)
            shards = range(SHARDS) if shard is None else (shard,)
            await _all_of([fanning_out.nudge(topic, each, receipt) for each in shards])
        case CatchUp(topic=name, connection_id=connection_id, attempt=attempt):
            await fanning_out.catch_up(parse_topic_storage(name), connection_id, attempt, receipt.until_ms)
        case PresenceLook(topic=name):
            await dependencies.presence.look(parse_topic_storage(name))
        case Farewell():
            await fanning_out.say_farewell(job)
        case _:
            assert_never(job)


async def _all_of(works: Sequence[Awaitable[None]]) -> None:
    """Bring all to an end, and raise what one of them raised: one shard's trouble does not end another's work."""
    faults = [each for each in await asyncio.gather(*works, return_exceptions=True) if each is not None]
    if faults:
        # Not as soon as the others, if one must not.
        raise next((each for each in faults if isinstance(each, LeftAloneError)), faults[0])


initialize(build)
