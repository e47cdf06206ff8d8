"""The embedded AWS tells what was written to: queues, tables, streams, buckets, event buses and topics."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from local.embedded.aws_server import ChangeNotifier

QUEUE = "http://127.0.0.1:4566/000000000000/work"


@pytest.fixture
def changes() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.settimeout(0)
        yield ours, theirs


async def call(target: str, body: object, changes: tuple[socket.socket, socket.socket]) -> list[str]:
    """Make one call of a JSON API and return the changes that were told of afterwards."""
    scope = {"method": "POST", "path": "/", "query_string": b"", "headers": [(b"x-amz-target", target.encode())]}
    return await pass_on(scope, body, changes)


async def pass_on(scope: dict[str, Any], body: object, changes: tuple[socket.socket, socket.socket]) -> list[str]:
    seen: list[Any] = []
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        assert not _told(changes[0])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": encoded, "more_body": False}

    await ChangeNotifier(application, changes[1])({"type": "http", **scope}, receive, None)
    assert seen == [encoded]
    return _told(changes[0])


def _told(reader: socket.socket) -> list[str]:
    try:
        return sorted(reader.recv(65536).decode().split("\n"))
    except BlockingIOError:
        return []


@pytest.mark.parametrize(
    ("target", "body", "told"),
    [
        ("AmazonSQS.SendMessage", {"QueueUrl": QUEUE}, ["work 0"]),
        ("AmazonSQS.SendMessage", {"QueueUrl": QUEUE, "DelaySeconds": 7}, ["work 7"]),
        ("AmazonSQS.SendMessageBatch", {"QueueUrl": QUEUE, "Entries": [{}, {"DelaySeconds": 2}]}, ["work 0", "work 2"]),
        ("AmazonSQS.ChangeMessageVisibility", {"QueueUrl": QUEUE, "VisibilityTimeout": 3}, ["work 3"]),
        ("AmazonSQS.ReceiveMessage", {"QueueUrl": QUEUE}, []),
        ("DynamoDB_20120810.PutItem", {"TableName": "items"}, ["items 0"]),
        ("DynamoDB_20120810.BatchWriteItem", {"RequestItems": {"a": [], "b": []}}, ["a 0", "b 0"]),
        (
            "DynamoDB_20120810.TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "a"}}, {"Delete": {"TableName": "b"}}]},
            ["a 0", "b 0"],
        ),
        ("DynamoDB_20120810.GetItem", {"TableName": "items"}, []),
        ("Kinesis_20131202.PutRecord", {"StreamName": "rows"}, ["rows 0"]),
        (
            "Kinesis_20131202.PutRecords",
            {"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/rows"},
            ["rows 0"],
        ),
        ("Kinesis_20131202.GetRecords", {"ShardIterator": "1"}, []),
        (
            "AWSEvents.PutEvents",
            {"Entries": [{}, {"EventBusName": "a"}, {"EventBusName": "arn:aws:events:eu-west-1:1:event-bus/b"}]},
            ["a 0", "b 0", "default 0"],
        ),
        ("AWSEvents.PutRule", {"Name": "prices"}, []),
    ],
)
async def test_a_write_is_told_of_once_it_is_done(target: str, body: object, told: list[str], changes) -> None:
    assert await call(target, body, changes) == told


SIGNED = [
    (b"authorization", b"AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/s3/aws4_request, SignedHeaders=host")
]


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"method": "PUT", "path": "/bucket/documents/a.json", "headers": SIGNED}, ["bucket 0", "default 0"]),
        ({"method": "DELETE", "path": "/bucket/documents/a.json", "headers": SIGNED}, ["bucket 0", "default 0"]),
        (
            {"method": "POST", "path": "/bucket", "query_string": b"delete=", "headers": SIGNED},
            ["bucket 0", "default 0"],
        ),
        (
            {
                "method": "PUT",
                "path": "/bucket/a",
                "query_string": b"X-Amz-Credential=test%2F20261121%2Fus-east-1%2Fs3%2Faws4_request",
            },
            ["bucket 0", "default 0"],
        ),
        ({"method": "GET", "path": "/bucket/a", "headers": SIGNED}, []),
        ({"method": "PUT", "path": "/2015-03-31/functions/f"}, []),
    ],
)
async def test_a_write_to_a_bucket_is_told_of_too(scope: dict[str, Any], told: list[str], changes) -> None:
    assert await pass_on({"query_string": b"", "headers": [], **scope}, "content", changes) == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Adeals&Message=x", ["deals 0"]),
        (b"Action=PublishBatch&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Adeals", ["deals 0"]),
        (b"Action=CreateTopic&Name=deals", []),
    ],
)
async def test_a_notification_is_told_of_by_its_topic(body: bytes, told: list[str], changes) -> None:
    signed = [(name, value.replace(b"/s3/", b"/sns/")) for name, value in SIGNED]
    scope = {"method": "POST", "path": "/", "query_string": b"", "headers": signed}
    assert await pass_on(scope, body, changes) == told
