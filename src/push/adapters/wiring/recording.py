"""Composition root of durable requests' records: builds what records their answers."""

from __future__ import annotations

import asyncio

from push.adapters.aws.clients import make_client
from push.adapters.clock import now_ms
from push.adapters.dynamodb.requests import DynamoDbRequests
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.requests import SqsWebhooks
from push.durable.recording import Recorder
from push.metrics import Counter
from push.settings import RecordSettings


def build_recorder(settings: RecordSettings, counter: Counter) -> Recorder:
    """Build the recorder of answers to durable requests."""
    payloads = S3Payloads(settings.storage_bucket)
    return Recorder(
        records=build_request_records(settings),
        queue=SqsWebhooks(make_client("sqs"), settings.webhook_queue_url),
        store_payload=lambda name, data: asyncio.to_thread(payloads.put, name, data),
        counter=counter,
        now_ms=now_ms,
    )


def build_request_records(settings: RecordSettings) -> DynamoDbRequests:
    """Build the store of durable requests."""
    return DynamoDbRequests(
        client=make_client("dynamodb", connections=20), table=settings.requests_table, result_days=settings.result_days
    )
