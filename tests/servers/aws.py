"""The AWS that adapters are tested against: moto's, once per test run, on a free port."""

from __future__ import annotations

import functools
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.responses import DynamoHandler
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.s3.models import s3_backends

from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.json_client import PROTOCOLS, JsonClient
from push.adapters.aws.sigv4 import Credentials, Signer
from tests.patience import PATIENCE_SECONDS

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
TABLES = {
    "connections": ("connection_id",),
    "tickets": ("ticket",),
    "documents": ("collection", "id"),
    "scores": ("board", "member"),
    "requests": ("request",),
    "webhooks": ("endpoint",),
    "subscriptions": ("topic", "connection_id"),
}
INDEXES: dict[str, dict[str, tuple[str, ...]]] = {"subscriptions": {"by_connection": ("connection_shard", "topic")}}
NO_OPTIONS: dict[str, Any] = {
    "throughput": None,
    "indexes": [],
    "streams": None,
    "sse_specification": None,
    "tags": [],
    "deletion_protection_enabled": False,
    "warm_throughput": None,
}
"""What moto fills in for a request that says nothing of it."""


def _answer_one_at_a_time(method: Callable[[DynamoHandler], Any]) -> Callable[[DynamoHandler], Any]:
    lock = threading.Lock()

    @functools.wraps(method)
    def answer(handler: DynamoHandler) -> Any:
        with lock:
            return method(handler)

    return answer


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # The server has a thread for each request, and moto's writes are not atomic, as DynamoDB's are.
    DynamoHandler.call_action = _answer_one_at_a_time(DynamoHandler.call_action)  # type: ignore[method-assign]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass(frozen=True)
class Aws:
    """Clients of one test's AWS, with the tables and the bucket of the template under names of its own."""

    url: str
    tables: dict[str, str]
    bucket: str
    lean: bool = False
    """Whether its clients are our own, where there are such."""

    def client(self, service: str, **options: Any) -> Any:
        if self.lean and service in PROTOCOLS and not options:
            signer = Signer(Credentials("test", "test"), service=service, region="us-east-1")
            return JsonClient(service, self.url, signer, Timeouts(connect=PATIENCE_SECONDS, read=PATIENCE_SECONDS))
        return _boto3_client(service, self.url) if not options else _make_boto3_client(service, self.url, **options)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.client("dynamodb").scan(TableName=self.tables[table])["Items"]

    def put_empty_objects(self, keys: Sequence[str]) -> None:
        """Put objects in moto itself: by requests it would take ten times as long."""
        for key in keys:
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self.bucket, key, b"")

    def put_document(self, tenant: str, collection: str, document_id: str, content: bytes) -> None:
        key = f"documents/{tenant}/{collection}/{document_id}.json"
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        self.index_document(tenant, collection, document_id, key, len(content))

    def index_document(self, tenant: str, collection: str, document_id: str, key: str, size_bytes: int) -> None:
        item = {
            "collection": {"S": f"{tenant}/{collection}"},
            "id": {"S": document_id},
            "object_key": {"S": key},
            "size_bytes": {"N": str(size_bytes)},
        }
        self.client("dynamodb").put_item(TableName=self.tables["documents"], Item=item)

    def put_scores(self, tenant: str, board: str, scores: dict[str, float]) -> None:
        client = self.client("dynamodb")
        items = list(scores.items())
        for start in range(0, len(items), 25):
            rows = [
                {"board": {"S": f"{tenant}/{board}"}, "member": {"S": member}, "score": {"N": str(score)}}
                for member, score in items[start : start + 25]
            ]
            writes = [{"PutRequest": {"Item": row}} for row in rows]
            client.batch_write_item(RequestItems={self.tables["scores"]: writes})


def _make_boto3_client(service: str, url: str, **options: Any) -> Any:
    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=PATIENCE_SECONDS, read_timeout=PATIENCE_SECONDS, **options
    )
    return boto3.client(service, endpoint_url=url, config=config, **CREDENTIALS)


_boto3_client = functools.cache(_make_boto3_client)
"""Tests share clients: to make one takes longer than to ask it."""


@pytest.fixture
def aws(aws_url: str) -> Aws:
    suffix = uuid.uuid4().hex[:12]
    aws = Aws(aws_url, {name: f"{name}-{suffix}" for name in TABLES}, bucket=f"storage-{suffix}")
    for name in TABLES:
        _create_table(name, aws.tables[name])
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(aws.bucket, REGION)
    return aws


def _create_table(kind: str, name: str) -> None:
    """Create a table in moto itself, which runs in this process: by requests it would take ten times as long."""
    indexes = INDEXES.get(kind, {})
    attributes = {key for each in (TABLES[kind], *indexes.values()) for key in each}
    dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].create_table(
        name,
        schema=_key_schema(TABLES[kind]),
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(attributes)],
        global_indexes=[_index(*index) for index in indexes.items()],
        billing_mode="PAY_PER_REQUEST",
        **NO_OPTIONS,
    )


def _key_schema(keys: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)]


def _index(name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": _key_schema(keys), "Projection": {"ProjectionType": "KEYS_ONLY"}}
