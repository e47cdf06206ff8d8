"""Records of Kinesis streams: JSON of one's own, rows of AWS DMS, and rows of Debezium."""

from __future__ import annotations

import json
from typing import Any

import pytest

from push.changes.facts import StreamItem, TableRow
from push.changes.kinesis_records import parse_kinesis_record, stream_of
from push.changes.records import UnreadableChangeError
from tests.builders.change_records import STREAM_ARN, stream_record

FORMATS = {"dms": "dms", "debezium": "debezium"}


def read(stream: str, body: object, partition_key: str = "p") -> StreamItem | None:
    return parse_kinesis_record(stream_record(stream, body, partition_key=partition_key), FORMATS)


def row_of(stream: str, body: object, partition_key: str = "p") -> TableRow | None:
    item = read(stream, body, partition_key)
    assert item is not None
    return item.row


def dms(operation: str, data: dict[str, Any] | None, **about: Any) -> dict[str, Any]:
    metadata = {
        "timestamp": "2026-11-29T00:00:00.000000Z",
        "record-type": "data",
        "operation": operation,
        "partition-key-type": "schema-table",
        "schema-name": "shop",
        "table-name": "orders",
        "transaction-id": 87978110091475,
    }
    return {"data": data, "metadata": metadata | {name.replace("_", "-"): value for name, value in about.items()}}


def debezium(op: str, before: object, after: object, **source: Any) -> dict[str, Any]:
    about = {"connector": "mysql", "name": "server", "db": "shop", "table": "orders", **source}
    return {"before": before, "after": after, "source": about, "op": op, "ts_ms": 1615928994823, "transaction": None}


def test_json_of_ones_own_is_the_body() -> None:
    assert read("ledger", {"account": 7}) == StreamItem("ledger", {"account": 7})


def test_a_stream_and_its_consumers_have_one_name() -> None:
    arn = STREAM_ARN.format("ledger")
    assert stream_of(arn) == stream_of(f"{arn}/consumer/app:1764374400") == "ledger"


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_a_record_without_content_tells_nothing(body: bytes) -> None:
    assert read("debezium", body) is None


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_record_that_is_not_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableChangeError):
        read("ledger", body)


@pytest.mark.parametrize(
    ("operation", "told"), [("load", "insert"), ("insert", "insert"), ("update", "update"), ("delete", "delete")]
)
def test_a_row_of_dms_has_its_table_and_what_happened(operation: str, told: str) -> None:
    row = row_of("dms", dms(operation, {"id": 42}))
    image = {"id": 42}
    old, new = (image, None) if told == "delete" else (None, image)
    assert row == TableRow("shop.orders", told, "", old, new)  # type: ignore[arg-type]  # one of the operations


def test_a_row_of_dms_may_have_the_row_before() -> None:
    record = dms("update", {"id": 42, "paid": 1}) | {"before-image": {"id": 42, "paid": 0}}
    assert row_of("dms", record) == TableRow("shop.orders", "update", "", {"id": 42, "paid": 0}, {"id": 42, "paid": 1})


@pytest.mark.parametrize("partition_key", ["42", "shop.orders.42"])
def test_a_row_of_dms_has_its_key_if_the_stream_is_partitioned_by_it(partition_key: str) -> None:
    row = row_of("dms", dms("insert", {"id": 42}, partition_key_type="primary-key"), partition_key)
    assert row is not None
    assert row.key == "42"


def test_the_partition_value_of_dms_comes_before_the_partition_key() -> None:
    about = {"partition_key_type": "primary-key", "partition_key_value": "42"}
    row = row_of("dms", dms("insert", {"id": 42}, **about), "hashed")
    assert row is not None
    assert row.key == "42"


def test_a_control_record_of_dms_concerns_the_whole_table() -> None:
    assert row_of("dms", dms("drop-table", None, record_type="control")) == TableRow("shop.orders", "event")


@pytest.mark.parametrize("table", ["awsdms_apply_exceptions", ""])
def test_the_tables_of_dms_itself_tell_nothing(table: str) -> None:
    record = dms("create-table", None, record_type="control", table_name=table, schema_name="")
    assert row_of("dms", record) is None


@pytest.mark.parametrize("body", [{}, [], 1, {"metadata": {}}, dms("explode", {}), {"data": 1, "metadata": {}}])
def test_what_is_not_of_dms_is_unreadable(body: object) -> None:
    with pytest.raises(UnreadableChangeError):
        read("dms", body)


@pytest.mark.parametrize(
    ("op", "told"), [("c", "insert"), ("r", "insert"), ("u", "update"), ("d", "delete"), ("t", "event")]
)
def test_a_row_of_debezium_has_its_table_and_what_happened(op: str, told: str) -> None:
    row = row_of("debezium", debezium(op, {"id": 1}, {"id": 2}), "default")
    assert row == TableRow("shop.orders", told, "", {"id": 1}, {"id": 2})  # type: ignore[arg-type]  # one of them


def test_the_schema_around_an_event_of_debezium_does_not_matter() -> None:
    event = debezium("u", {"id": 1}, {"id": 1, "paid": True})
    assert row_of("debezium", {"schema": {"type": "struct"}, "payload": event}) == row_of("debezium", event)


def test_databases_with_schemas_name_their_tables_by_them() -> None:
    row = row_of("debezium", debezium("c", None, {"id": 1}, schema="public"))
    assert row is not None
    assert row.table == "public.orders"


def test_a_document_of_mongodb_is_a_row_too() -> None:
    document = json.dumps({"_id": {"$oid": "5"}, "paid": True})
    event = debezium("c", None, document, table=None, collection="orders")
    expected = TableRow("shop.orders", "insert", "", None, {"_id": {"$oid": "5"}, "paid": True})
    assert row_of("debezium", event) == expected


@pytest.mark.parametrize(
    ("partition_key", "key"),
    [
        ('{"id":42}', "42"),
        ('{"order":42,"line":"a"}', "42,a"),
        ('{"schema":{"type":"struct"},"payload":{"id":42}}', "42"),
        ("default", ""),
        ('{"id":', ""),
        ("[1]", ""),
    ],
)
def test_debezium_server_partitions_by_the_key(partition_key: str, key: str) -> None:
    row = row_of("debezium", debezium("u", None, {"id": 42}), partition_key)
    assert row is not None
    assert row.key == key


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"schema": {}, "payload": None},
        {"ts_ms": 1615928994823},
        {"status": "BEGIN", "id": "571", "ts_ms": 1615928994823},
        {"source": {"db": "shop", "table": "orders"}, "databaseName": "shop", "ddl": "ALTER TABLE orders"},
        debezium("m", None, None, table=None),
    ],
)
def test_tombstones_heartbeats_and_transactions_of_debezium_change_no_row(body: object) -> None:
    assert row_of("debezium", body) is None


@pytest.mark.parametrize(
    "body", [1, [], debezium("x", None, {}), debezium("c", None, {}, table=None), debezium("c", None, "{")]
)
def test_what_is_not_of_debezium_is_unreadable(body: object) -> None:
    with pytest.raises(UnreadableChangeError):
        read("debezium", body)
