"""Handler of the webhook queue."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.aws.sns import SnsTopics
from push.adapters.dynamodb.attempts import DynamoDbAttempts
from push.adapters.dynamodb.webhooks import DynamoDbWebhooks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.secrets.webhook_masters import WebhookMasters, fetch_masters
from push.adapters.sqs.redelivery import make_redelivery
from push.adapters.sqs.requests import SqsWebhooks
from push.adapters.webhooks import HttpWebhookClient
from push.adapters.wiring import event_loop
from push.adapters.wiring.initialization import initialize
from push.durable.requests import parse_webhook_job
from push.durable.sns import TopicPublisher
from push.durable.webhook_delivering import WebhookDeliverer
from push.durable.webhook_posting import WebhookPoster
from push.errors import RequestError, TransientError
from push.queues.redelivery import Redelivery
from push.settings import WebhookSettings, read_settings

logger = Logger()


@dataclass(frozen=True, slots=True)
class WebhooksParts:
    """The parts of the function, made once per execution environment."""

    deliverer: WebhookDeliverer
    redelivery: Redelivery
    metrics: BufferedMetrics


@cache
def build() -> WebhooksParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"notify", "push"})
    settings = read_settings(WebhookSettings, os.environ)
    metrics = BufferedMetrics(interval_seconds=0.0)
    payloads = S3Payloads(settings.storage_bucket)
    masters = WebhookMasters(partial(fetch_masters, make_client("secretsmanager"), settings.webhook_secret_arn))
    deliverer = WebhookDeliverer(
        attempts=DynamoDbAttempts(make_client("dynamodb"), settings.requests_table),
        queue=SqsWebhooks(make_client("sqs"), settings.webhook_queue_url),
        dead_letters=SqsWebhooks(make_client("sqs"), settings.webhook_dead_letter_queue_url),
        webhooks=WebhookPoster(
            client=HttpWebhookClient(allow_private=settings.allow_private_webhooks),
            endpoints=DynamoDbWebhooks(make_client("dynamodb"), settings.webhooks_table),
            payloads=payloads,
            read_masters=partial(asyncio.to_thread, masters.read),
            allow_private=settings.allow_private_webhooks,
            counter=metrics,
            now_ms=_now_ms,
        ),
        topics=TopicPublisher(
            topics=SnsTopics(make_client("sns")),
            allowed=settings.topics,
            payloads=payloads,
            store_payload=lambda name, data: asyncio.to_thread(payloads.put, name, data),
        ),
        counter=metrics,
        now_ms=_now_ms,
        random=random.random,
    )
    return WebhooksParts(deliverer, make_redelivery(settings.webhook_queue_url), metrics)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Deliver a batch concurrently, and name the messages to redeliver."""
    parts, records = build(), event["Records"]
    failed = event_loop.run(handle(records, parts.deliverer))
    parts.redelivery.back_off(records, failed)
    parts.metrics.end_invocation()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


async def handle(records: Sequence[Mapping[str, Any]], deliverer: WebhookDeliverer) -> list[str]:
    """Return the ids of the messages to redeliver."""
    failures = await asyncio.gather(*(_deliver(record, deliverer) for record in records))
    return [message_id for message_id in failures if message_id is not None]


async def _deliver(record: Mapping[str, Any], deliverer: WebhookDeliverer) -> str | None:
    try:
        await deliverer.deliver(parse_webhook_job(record["body"]))
    except RequestError as exc:
        logger.warning("a message is not a delivery of this version and is dropped: %s", exc.message)
    except TransientError as exc:
        logger.warning("a delivery is retried: %s %r", exc.message, exc.__cause__)
        message_id: str = record["messageId"]
        return message_id
    return None


initialize(build)
