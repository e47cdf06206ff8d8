"""Tables and buckets of applications read alike: from AWS by either client, and in memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from push.adapters.dynamodb.tables import DynamoDbTable
from push.adapters.dynamodb.values import write_row
from push.adapters.s3.buckets import S3Bucket
from push.errors import ComputeFailedError
from push.sources.ports import BucketReader, TableReader
from push.testing import MemoryBucket, MemoryTable
from tests.servers.aws import Aws

ORDERS: list[dict[str, Any]] = [
    {"customer": "ann", "order": "2026-01-05", "status": "open", "total": 12.5, "count": 3},
    {"customer": "ann", "order": "2026-01-20", "status": "sent", "total": 7, "count": 1},
    {"customer": "ann", "order": "2026-02-01", "status": "open", "total": 1e-3, "count": -1},
    {"customer": "bob", "order": "2026-01-07", "status": "open", "total": 0, "count": 2**60},
    {"customer": "eve", "order": "2026-01-07", "note": "without a status"},
]
INDEX = ("status", "order")


class Tables:
    """One table for each kind of reader, with the same rows."""

    def __init__(self, kind: str, aws: Aws, executor: ThreadPoolExecutor) -> None:
        self.memory = MemoryTable("Orders", partition="customer", sort="order", indexes={"by-status": INDEX})
        self._aws = aws
        self._name = f"orders-{uuid.uuid4().hex}"
        self._is_memory = kind == "memory"
        if not self._is_memory:
            _create(aws, self._name)
        self.reader: TableReader = (
            self.memory
            if self._is_memory
            else DynamoDbTable(client=aws.client("dynamodb"), name="Orders", table=self._name, executor=executor)
        )

    def put(self, *rows: dict[str, Any]) -> None:
        self.memory.put(*rows)
        if not self._is_memory:
            for row in rows:
                self._aws.client("dynamodb").put_item(TableName=self._name, Item=write_row(row))


def _create(aws: Aws, name: str) -> None:
    schema = [{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "order", "KeyType": "RANGE"}]
    index = [{"AttributeName": "status", "KeyType": "HASH"}, {"AttributeName": "order", "KeyType": "RANGE"}]
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=schema,
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": "S"} for each in ("customer", "order", "status")
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": "by-status", "KeySchema": index, "Projection": {"ProjectionType": "ALL"}}
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture(params=["memory", "lean", "boto3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def any_aws(kind: str, request: pytest.FixtureRequest) -> Any:
    return None if kind == "memory" else request.getfixturevalue(f"aws_by_{kind}")


@pytest.fixture
def tables(kind: str, any_aws: Any, executor: ThreadPoolExecutor) -> Tables:
    tables = Tables(kind, any_aws, executor)
    tables.put(*ORDERS)
    return tables


@pytest.fixture
def orders(tables: Tables) -> TableReader:
    return tables.reader


async def test_a_row_is_read_by_its_key(orders: TableReader) -> None:
    assert await orders.get({"customer": "ann", "order": "2026-01-05"}) == ORDERS[0]
    assert await orders.get({"customer": "ann", "order": "never"}) is None


async def test_many_rows_come_in_the_order_of_their_keys_with_none_for_an_absent_one(orders: TableReader) -> None:
    keys = [{"customer": each["customer"], "order": each["order"]} for each in (ORDERS[3], ORDERS[0], ORDERS[3])]
    absent = {"customer": "nobody", "order": "x"}
    assert await orders.get_many([keys[0], absent, *keys[1:]]) == [ORDERS[3], None, ORDERS[0], ORDERS[3]]
    assert await orders.get_many([]) == []


async def test_more_rows_than_one_call_takes_are_read(tables: Tables) -> None:
    rows = [{"customer": "many", "order": f"{number:03}"} for number in range(120)]
    tables.put(*rows)
    assert await tables.reader.get_many(rows) == rows
    assert await tables.reader.query({"customer": "many"}) == rows


async def test_a_partition_is_read_in_order_of_the_sort_key(orders: TableReader) -> None:
    assert await orders.query({"customer": "ann"}) == ORDERS[:3]
    assert await orders.query({"customer": "ann"}, newest_first=True) == ORDERS[2::-1]
    assert await orders.query({"customer": "ann"}, limit=2) == ORDERS[:2]
    assert await orders.query({"customer": "ann"}, newest_first=True, limit=1) == [ORDERS[2]]
    assert await orders.query({"customer": "nobody"}) == []


async def test_a_sort_key_is_selected_by_its_beginning_between_two_ends_or_as_a_whole(orders: TableReader) -> None:
    assert await orders.query({"customer": "ann"}, begins_with={"order": "2026-01"}) == ORDERS[:2]
    between = {"order": ("2026-01-20", "2026-02-01")}
    assert await orders.query({"customer": "ann"}, between=between) == ORDERS[1:3]
    assert await orders.query({"customer": "ann", "order": "2026-01-20"}) == [ORDERS[1]]


async def test_an_index_holds_the_rows_that_have_its_keys(orders: TableReader) -> None:
    found = await orders.query({"status": "open"}, index="by-status")
    assert found == [ORDERS[0], ORDERS[3], ORDERS[2]]
    newest = await orders.query({"status": "open"}, index="by-status", newest_first=True, limit=1)
    assert newest == [ORDERS[2]]


async def test_a_scan_reads_all_rows(orders: TableReader) -> None:
    rows = await orders.scan()
    assert sorted(rows, key=lambda row: (row["customer"], row["order"])) == ORDERS


async def test_values_are_plain_python(tables: Tables) -> None:
    row = {
        "customer": "values",
        "order": "all",
        "none": None,
        "yes": True,
        "whole": 10**30,
        "fraction": 0.1,
        "bytes": b"\x00\xff",
        "list": [1, "two", [3.5]],
        "map": {"a": {"b": False}},
        "words": {"a", "b"},
        "numbers": {1, 2.5},
        "blobs": {b"a", b"b"},
        "empty": "",
    }
    tables.put(row)
    assert await tables.reader.get({"customer": "values", "order": "all"}) == row


async def test_whole_numbers_are_ints_and_others_floats(tables: Tables) -> None:
    tables.put({"customer": "numbers", "order": "1", "whole": 3.0, "other": 2.5})
    row = await tables.reader.get({"customer": "numbers", "order": "1"})
    assert row is not None
    assert [type(row[name]) for name in ("whole", "other")] == [int, float]


@pytest.mark.parametrize(
    ("partition", "options"),
    [
        ({"order": "2026"}, {}),
        ({"customer": "ann"}, {"index": "none"}),
        ({"customer": "ann"}, {"begins_with": {"status": "o"}}),
    ],
)
async def test_a_query_that_does_not_fit_the_table_fails_for_good(
    orders: TableReader, partition: dict[str, str], options: dict[str, Any]
) -> None:
    with pytest.raises(ComputeFailedError, match="Orders"):
        await orders.query(partition, **options)


async def test_a_key_that_does_not_fit_the_table_fails_for_good(orders: TableReader) -> None:
    with pytest.raises(ComputeFailedError, match="Orders"):
        await orders.get({"customer": "ann"})


@pytest.fixture
def files(kind: str, any_aws: Any, executor: ThreadPoolExecutor) -> BucketReader:
    objects = {"a/1.json": b'{"n":1}', "a/2 +%&.txt": b"two", "b": b"", "a/\u00fc": b"umlaut"}
    memory = MemoryBucket("Files")
    for key, content in objects.items():
        memory.put(key, content)
        if any_aws is not None:
            any_aws.client("s3").put_object(Bucket=any_aws.bucket, Key=key, Body=content)
    if any_aws is None:
        return memory
    return S3Bucket(client=any_aws.client("s3"), name="Files", bucket=any_aws.bucket, executor=executor)


async def test_an_object_is_read_by_its_key(files: BucketReader) -> None:
    assert await files.get("a/1.json") == b'{"n":1}'
    assert await files.get("b") == b""
    assert await files.get("c") is None


async def test_many_objects_come_in_the_order_of_their_keys(files: BucketReader) -> None:
    assert await files.get_many(["b", "c", "a/2 +%&.txt", "b"]) == [b"", None, b"two", b""]


async def test_keys_are_listed_by_their_prefix_in_order(files: BucketReader) -> None:
    assert await files.list("a/") == ["a/1.json", "a/2 +%&.txt", "a/\u00fc"]
    assert await files.list() == ["a/1.json", "a/2 +%&.txt", "a/\u00fc", "b"]
    assert await files.list("z") == []


async def test_a_listing_continues_over_pages(aws: Aws, executor: ThreadPoolExecutor) -> None:
    keys = [f"many/{number:04}" for number in range(1010)]
    aws.put_empty_objects(keys)
    files = S3Bucket(client=aws.client("s3"), name="Files", bucket=aws.bucket, executor=executor)
    assert await files.list("many/") == keys


async def test_a_bucket_that_is_not_there_fails_for_good(aws: Aws, executor: ThreadPoolExecutor) -> None:
    files = S3Bucket(client=aws.client("s3"), name="Files", bucket="no-such-bucket", executor=executor)
    for read in (files.list(), files.get("a"), files.get_many(["a", "b"])):
        with pytest.raises(ComputeFailedError, match="`Files`"):
            await read
