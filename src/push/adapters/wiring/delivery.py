"""Composition root of deliveries: builds what brings frames to connections."""

from __future__ import annotations

import random

from push.adapters.aws.clients import make_client, make_signer
from push.adapters.clock import now_ms
from push.adapters.dynamodb.gone_connections import DynamoDbGoneConnections
from push.adapters.management.connections import ManagementConnections
from push.adapters.management.frame_series import ManagementSeries
from push.adapters.management.reference_connections import Boto3Connections
from push.adapters.redis.accepted_encodings import RedisConnectionEncodings
from push.adapters.redis.connection import shared_async_redis
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.deliveries import SqsDeliveries
from push.delivery.delivering import Deliverer
from push.delivery.frame_series import SeriesInTurns
from push.delivery.ports import ClientConnections, SeriesConnections
from push.delivery.waiter_frames import WaiterFrames
from push.metrics import Counter
from push.settings import ComputeSettings, ManagementSettings, NotifySettings


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


def _build_connections(settings: ComputeSettings | NotifySettings) -> ClientConnections:
    if settings.management_client == "boto3":
        return Boto3Connections(make_client("apigatewaymanagementapi", connections=50))
    return ManagementConnections(settings.aws_endpoint_url_apigatewaymanagementapi, make_signer("execute-api"))


def build_series_connections(settings: ManagementSettings) -> SeriesConnections:
    """Build the client that pushes series of frames to many connections."""
    if settings.management_client == "boto3":
        return SeriesInTurns(Boto3Connections(make_client("apigatewaymanagementapi", connections=50)))
    return ManagementSeries(settings.aws_endpoint_url_apigatewaymanagementapi, make_signer("execute-api"))
