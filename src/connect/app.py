"""Handler of `$connect` and `$disconnect`: records and removes connections, in whatever order the events arrive."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from connect.leaving import Leaving
from push.access.connections import Connection, choose_subprotocol
from push.access.handshakes import read_header
from push.access.ports import ConnectionRecords
from push.adapters.aws.clients import make_client
from push.adapters.dynamodb.connections import DynamoDbConnections
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from push.adapters.sqs.fan_out import SqsFanOutJobSender
from push.adapters.wiring.initialization import initialize
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.callers import read_caller
from push.errors import PushasideError
from push.settings import ConnectSettings, read_settings

logger = Logger()

READ_TIMEOUT_SECONDS = 1.0
"""Three attempts of a write and the pauses between them fit the function's timeout of ten seconds."""


class ConnectParts(msgspec.Struct, frozen=True):
    """The parts of the function, made once per execution environment."""

    connections: ConnectionRecords
    leaving: Leaving


@cache
def build() -> ConnectParts:
    """Make the parts from the environment's variables."""
    settings = read_settings(ConnectSettings, os.environ)
    client = make_client("dynamodb", read_timeout_seconds=READ_TIMEOUT_SECONDS)
    leaving = Leaving(
        subscriptions=DynamoDbSubscriptions(client, settings.subscriptions_table),
        fan_out=SqsFanOutJobSender(
            make_client("sqs", read_timeout_seconds=READ_TIMEOUT_SECONDS), settings.fan_out_queue_url
        ),
        namespaces=shipped_namespaces(settings.topics),
    )
    return ConnectParts(DynamoDbConnections(client, settings.connections_table), leaving)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one `$connect` or `$disconnect` event."""
    return handle(event, build(), now_ms=time.time_ns() // 1_000_000)


def handle(event: Mapping[str, Any], parts: ConnectParts, *, now_ms: int) -> dict[str, Any]:
    """Record or remove the event's connection.

    A status other than 200 refuses a connection, and its client retries: 500 if the table did not take it, 403 if the
    authorizer named an unusable tenant. API Gateway ignores the answer to `$disconnect`; leftover rows expire by TTL.
    """
    context = event["requestContext"]
    try:
        if context["eventType"] == "CONNECT":
            return _connect(event, parts.connections, now_ms)
        parts.connections.end(context["connectionId"], now_ms)
        parts.leaving.leave(context["connectionId"])
    except PushasideError as exc:
        event_type, connection_id = context["eventType"], context["connectionId"]
        logger.warning("%s failed: %s %r", event_type, exc.message, exc.__cause__, connection_id=connection_id)
        return {"statusCode": 500 if exc.retryable else 403}
    return {"statusCode": 200}


def _connect(event: Mapping[str, Any], connections: ConnectionRecords, now_ms: int) -> dict[str, Any]:
    context = event["requestContext"]
    connection = Connection(read_caller(context), connected_at_ms=context.get("connectedAt", now_ms))
    if not connections.record(connection):
        logger.info("connection ended before it was recorded", connection_id=context["connectionId"])
        return {"statusCode": 410}
    subprotocol = choose_subprotocol(read_header(event, "Sec-WebSocket-Protocol"))
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}}


initialize(build)
