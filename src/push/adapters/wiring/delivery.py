"""Composition root of deliveries: builds what brings answers to connections and to records of durable requests."""

from __future__ import annotations

import asyncio
import random
import time

from push.adapters.aws.clients import make_client, make_signer
from push.adapters.dynamodb.gone_connections import DynamoDbGoneConnections
from push.adapters.dynamodb.requests import DynamoDbRequests
from push.adapters.management.connections import ManagementConnections
from push.adapters.management.frame_series import ManagementSeries
from push.adapters.management.reference_connections import Boto3Connections
from push.adapters.redis.accepted_encodings import RedisConnectionEncodings
from push.adapters.redis.connection import shared_async_redis
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.deliveries import SqsDeliveries
from push.adapters.sqs.requests import SqsWebhooks
from push.delivery.delivering import Deliverer
from push.delivery.frame_series import SeriesInTurns
from push.delivery.ports import ClientConnections, SeriesConnections
from push.delivery.waiter_frames import WaiterFrames
from push.durable.recording import Recorder
from push.metrics import Counter
from push.settings import ComputeSettings, ManagementSettings, NotifySettings, RecordSettings


def now_ms() -> int:
    """Return the current time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def build_deliverer(settings: ComputeSettings | NotifySettings, counter: Counter) -> Deliverer:
    """Build the deliverer of pushes to connections."""
    return Deliverer(
        connections=_build_connections(settings),
        records=DynamoDbGoneConnections(make_client("dynamodb"), settings.connections_table),
        queue=SqsDeliveries(make_client("sqs"), settings.delivery_queue_url, ClaimChecks(settings.storage_bucket)),
        counter=counter,
        now_ms=now_ms,
        random=random.random,
    )


def build_waiter_frames(settings: ComputeSettings | NotifySettings) -> WaiterFrames:
    """Build the writer of frames for waiters."""
    encodings = RedisConnectionEncodings(shared_async_redis(settings))
    return WaiterFrames(encodings=encodings, payloads=S3Payloads(settings.storage_bucket))


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


def _build_connections(settings: ComputeSettings | NotifySettings) -> ClientConnections:
    if settings.management_client == "boto3":
        return Boto3Connections(make_client("apigatewaymanagementapi", connections=50))
    return ManagementConnections(settings.aws_endpoint_url_apigatewaymanagementapi, make_signer("execute-api"))


def build_series_connections(settings: ManagementSettings) -> SeriesConnections:
    """Build the client that pushes series of frames to many connections."""
    if settings.management_client == "boto3":
        return SeriesInTurns(Boto3Connections(make_client("apigatewaymanagementapi", connections=50)))
    return ManagementSeries(settings.aws_endpoint_url_apigatewaymanagementapi, make_signer("execute-api"))
