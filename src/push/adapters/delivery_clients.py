"""What brings answers to those who wait, as an execution environment has it: to connections, and to records."""

from __future__ import annotations

import asyncio
import random
import time

from push.adapters.aws_clients import make_client, make_signer
from push.adapters.boto3_connections import Boto3Connections
from push.adapters.claim_checks import ClaimChecks
from push.adapters.dynamodb_gone_connections import DynamoDbGoneConnections
from push.adapters.dynamodb_requests import DynamoDbRequests
from push.adapters.lean_connections import LeanConnections
from push.adapters.lean_series import LeanSeries
from push.adapters.redis_accepted_encodings import RedisConnectionEncodings
from push.adapters.redis_connection import shared_async_redis
from push.adapters.s3_payloads import S3Payloads
from push.adapters.sqs_deliveries import SqsDeliveries
from push.adapters.sqs_requests import SqsWebhooks
from push.delivering import Deliverer
from push.metrics import Counter
from push.ports import ClientConnections
from push.recording import Recorder
from push.series import SeriesConnections, SeriesInTurns
from push.settings import ComputeSettings, ManagementSettings, NotifySettings, RecordSettings
from push.waiter_frames import WaiterFrames


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def make_deliverer(settings: ComputeSettings | NotifySettings, counter: Counter) -> Deliverer:
    """Make the environment's deliverer."""
    return Deliverer(
        connections=_make_connections(settings),
        records=DynamoDbGoneConnections(make_client("dynamodb"), settings.connections_table),
        queue=SqsDeliveries(make_client("sqs"), settings.delivery_queue_url, ClaimChecks(settings.storage_bucket)),
        counter=counter,
        now_ms=now_ms,
        random=random.random,
    )


def make_frames(settings: ComputeSettings | NotifySettings) -> WaiterFrames:
    """Make what writes the environment's answers to those who wait."""
    encodings = RedisConnectionEncodings(shared_async_redis(settings))
    return WaiterFrames(encodings=encodings, payloads=S3Payloads(settings.storage_bucket))


def make_recorder(settings: RecordSettings, counter: Counter) -> Recorder:
    """Make the environment's recorder."""
    payloads = S3Payloads(settings.storage_bucket)
    return Recorder(
        records=make_records(settings),
        queue=SqsWebhooks(make_client("sqs"), settings.webhook_queue_url),
        store_payload=lambda name, data: asyncio.to_thread(payloads.put, name, data),
        counter=counter,
        now_ms=now_ms,
    )


def make_records(settings: RecordSettings) -> DynamoDbRequests:
    """Make what keeps the environment's durable requests."""
    return DynamoDbRequests(make_client("dynamodb", connections=20), settings.requests_table, settings.result_days)


def _make_connections(settings: ComputeSettings | NotifySettings) -> ClientConnections:
    if settings.management_client == "boto3":
        return Boto3Connections(make_client("apigatewaymanagementapi", connections=50))
    return LeanConnections(settings.aws_endpoint_url_apigatewaymanagementapi, make_signer("execute-api"))


def make_series(settings: ManagementSettings) -> SeriesConnections:
    """Make what pushes to many connections in order."""
    if settings.management_client == "boto3":
        return SeriesInTurns(Boto3Connections(make_client("apigatewaymanagementapi", connections=50)))
    return LeanSeries(settings.aws_endpoint_url_apigatewaymanagementapi, make_signer("execute-api"))
