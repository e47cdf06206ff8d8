"""`$connect` and `$disconnect` through the handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import connect.app
from connect.app import ConnectParts, handle, handler
from push.access.connections import Connection
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from push.computes import Tenant
from push.errors import SourceThrottledError
from push.topics.fan_out_jobs import PresenceLook, parse_fan_out_job
from push.topics.subscriptions import Subscription
from push.topics.topics import Topic
from tests.servers.aws import Aws

ReadEvent = Callable[[str], dict[str, Any]]


def test_a_connection_is_recorded_as_the_authorizer_said_and_the_subprotocol_echoed(
    aws: Aws, read_event: ReadEvent
) -> None:
    answer = handler(read_event("websocket_connect"), None)
    assert answer == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "pushaside.v1"}}
    (row,) = aws.rows("connections")
    assert row["connection_id"] == {"S": "Oe8ncc0xoAMCJkA="}
    assert (row["tenant"], row["principal"]) == ({"S": "acme"}, {"S": "ada"})
    assert row["connected_at"] == {"N": "1700000000123"}
    assert row["expires_at"] == {"N": str(1_700_000_000 + 8100)}


def test_no_subprotocol_is_echoed_that_was_not_offered(read_event: ReadEvent) -> None:
    event = read_event("websocket_connect")
    del event["headers"]["Sec-WebSocket-Protocol"], event["multiValueHeaders"]["Sec-WebSocket-Protocol"]
    assert handler(event, None) == {"statusCode": 200, "headers": {}}


def test_a_disconnect_removes_the_connection(aws: Aws, read_event: ReadEvent) -> None:
    handler(read_event("websocket_connect"), None)
    assert handler(read_event("websocket_disconnect"), None) == {"statusCode": 200}
    assert aws.rows("connections") == []


def test_a_disconnect_ends_the_connections_subscriptions_and_tells_those_who_were_there_with_it(
    aws: Aws, fan_out_queue: str, read_event: ReadEvent
) -> None:
    subscriptions = DynamoDbSubscriptions(aws.client("dynamodb"), aws.tables["subscriptions"])
    event = read_event("websocket_disconnect")
    mine, other = event["requestContext"]["connectionId"], "other="
    topics = [Topic(Tenant("acme"), name) for name in ("demo:lobby", "prices:eur")]
    subscriptions.add([Subscription(topic, each, "ada", 2_000_000_000) for topic in topics for each in (mine, other)])
    assert handler(event, None) == {"statusCode": 200}
    assert {row["connection_id"]["S"] for row in aws.rows("subscriptions")} == {other}
    sqs = aws.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=fan_out_queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)["Messages"]
    assert parse_fan_out_job(message["Body"]) == PresenceLook("acme/demo:lobby")


def test_a_connect_told_after_its_disconnect_is_refused(read_event: ReadEvent) -> None:
    handler(read_event("websocket_disconnect"), None)
    assert handler(read_event("websocket_connect"), None) == {"statusCode": 410}


def test_a_tenant_that_cannot_be_one_is_refused(aws: Aws, read_event: ReadEvent) -> None:
    event = read_event("websocket_connect")
    event["requestContext"]["authorizer"]["tenant"] = "a/b"
    assert handler(event, None) == {"statusCode": 403}
    assert aws.rows("connections") == []


def test_when_the_table_fails_the_handshake_does_and_the_client_tries_again(
    read_event: ReadEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS_TABLE", "absent")
    connect.app.build.cache_clear()
    assert handler(read_event("websocket_connect"), None) == {"statusCode": 500}
    assert handler(read_event("websocket_disconnect"), None) == {"statusCode": 500}


class ThrottledTable:
    """Takes nothing."""

    def record(self, connection: Connection) -> bool:
        raise SourceThrottledError

    def end(self, connection_id: str, now_ms: int) -> None:
        raise SourceThrottledError


def test_a_throttled_table_is_no_different(read_event: ReadEvent) -> None:
    parts = ConnectParts(ThrottledTable(), connect.app.build().leaving)
    assert handle(read_event("websocket_connect"), parts, now_ms=0) == {"statusCode": 500}
