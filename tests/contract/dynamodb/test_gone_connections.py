"""Rows of connections that a push found gone: removed, many at once, and never an error."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from push.adapters.dynamodb.gone_connections import DynamoDbGoneConnections


@pytest.fixture
def table(aws: Any) -> str:
    return aws.tables["connections"]


def record(aws: Any, table: str, *connection_ids: str) -> None:
    for connection_id in connection_ids:
        aws.client("dynamodb").put_item(TableName=table, Item={"connection_id": {"S": connection_id}})


def recorded(aws: Any) -> set[str]:
    return {row["connection_id"]["S"] for row in aws.rows("connections")}


async def test_gone_connections_are_removed_and_others_are_not(aws: Any, table: str) -> None:
    record(aws, table, "ann=", "ben=", "eva=")
    await DynamoDbGoneConnections(aws.client("dynamodb"), table).forget(["ann=", "eva="])
    assert recorded(aws) == {"ben="}


async def test_a_connection_may_be_forgotten_twice_or_never_have_been(aws: Any, table: str) -> None:
    record(aws, table, "ann=")
    records = DynamoDbGoneConnections(aws.client("dynamodb"), table)
    await records.forget(["ann=", "ann=", "never="])
    await records.forget(["ann="])
    await records.forget([])
    assert recorded(aws) == set()


async def test_more_than_one_call_takes_are_removed(aws: Any, table: str) -> None:
    ids = [f"{number}=" for number in range(60)]
    record(aws, table, *ids)
    await DynamoDbGoneConnections(aws.client("dynamodb"), table).forget(ids)
    assert recorded(aws) == set()


async def test_rows_that_can_not_be_removed_are_left_to_expire(aws: Any, caplog: pytest.LogCaptureFixture) -> None:
    await DynamoDbGoneConnections(aws.client("dynamodb"), "no-table").forget(["ann="])
    (logged,) = caplog.records
    assert logged.levelno == logging.WARNING
