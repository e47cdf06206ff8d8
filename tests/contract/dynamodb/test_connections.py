"""Connections are recorded and removed in whatever order API Gateway tells of them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from push.access.connections import CONNECTION_SECONDS, TOMBSTONE_SECONDS, Connection
from push.adapters.dynamodb.connections import DynamoDbConnections
from push.callers import Caller
from push.computes import Tenant
from push.errors import TransientError
from tests.servers.aws import CREDENTIALS, Aws

NOW_MS = 1_700_000_000_123
CONNECTION = Connection(Caller(Tenant("acme"), "ada", "abc="), connected_at_ms=NOW_MS)


@pytest.fixture
def connections(aws: Aws) -> DynamoDbConnections:
    return DynamoDbConnections(aws.client("dynamodb"), aws.tables["connections"])


def is_live(rows: list[dict[str, Any]]) -> bool:
    return any("connected_at" in row for row in rows)


def test_a_row_says_whose_the_connection_is_and_when_it_may_go(aws: Aws, connections: DynamoDbConnections) -> None:
    assert connections.record(CONNECTION)
    assert aws.rows("connections") == [
        {
            "connection_id": {"S": "abc="},
            "tenant": {"S": "acme"},
            "principal": {"S": "ada"},
            "connected_at": {"N": str(NOW_MS)},
            "expires_at": {"N": str(NOW_MS // 1000 + CONNECTION_SECONDS)},
        }
    ]


def test_connecting_twice_is_connecting_once(aws: Aws, connections: DynamoDbConnections) -> None:
    assert connections.record(CONNECTION)
    assert connections.record(CONNECTION)
    assert len(aws.rows("connections")) == 1


def test_disconnecting_removes_the_row(aws: Aws, connections: DynamoDbConnections) -> None:
    connections.record(CONNECTION)
    connections.end("abc=", NOW_MS)
    assert aws.rows("connections") == []


def test_a_disconnect_that_comes_first_leaves_a_tombstone_which_soon_goes(
    aws: Aws, connections: DynamoDbConnections
) -> None:
    connections.end("abc=", NOW_MS)
    assert aws.rows("connections") == [
        {
            "connection_id": {"S": "abc="},
            "disconnected_at": {"N": str(NOW_MS)},
            "expires_at": {"N": str(NOW_MS // 1000 + TOMBSTONE_SECONDS)},
        }
    ]


def test_a_late_connect_does_not_overwrite_a_tombstone(aws: Aws, connections: DynamoDbConnections) -> None:
    connections.end("abc=", NOW_MS)
    assert not connections.record(CONNECTION)
    assert not is_live(aws.rows("connections"))


@pytest.mark.parametrize("order", ["CD", "CCD", "CDD", "DC", "DCC", "DDC", "DCD", "DCDC"])
def test_once_told_of_the_end_nothing_is_left_alive(aws: Aws, connections: DynamoDbConnections, order: str) -> None:
    for event in order:
        if event == "C":
            connections.record(CONNECTION)
        else:
            connections.end("abc=", NOW_MS)
    assert not is_live(aws.rows("connections"))


def test_another_connection_is_left_alone(aws: Aws, connections: DynamoDbConnections) -> None:
    connections.record(CONNECTION)
    connections.end("other=", NOW_MS)
    assert is_live(aws.rows("connections"))


def test_a_table_that_does_not_answer_is_transient() -> None:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.2, read_timeout=0.2)
    client = boto3.client("dynamodb", endpoint_url="http://127.0.0.1:1", config=config, **CREDENTIALS)
    connections = DynamoDbConnections(client, "connections")
    with pytest.raises(TransientError):
        connections.record(CONNECTION)
    with pytest.raises(TransientError):
        connections.end("abc=", NOW_MS)
