"""The tags of tables, by example: what a write concerns, and what it leaves alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from push.adapters.dynamodb.values import write_row
from push.sources.source_tags import MAX_SOURCE_TAG_BYTES, SourceTag
from push.sources.table_tags import (
    RowChange,
    TrackedTable,
    tags_of_change,
    tags_of_query,
    tags_of_row,
    tags_of_table,
)

ORDERS = TrackedTable("orders-prod", {"by-status": ("status", "placed_at"), "by-shop": ("shop",)})
ANNS_ORDER = {"customer": "ann", "placed_at": "2026-11-29", "status": "open"}
KEY = ("customer", "placed_at")


def written(new: dict[str, Any], old: dict[str, Any] | None = None, table: TrackedTable = ORDERS) -> set[str]:
    row = write_row(new)
    keys = {name: row[name] for name in KEY}
    event = "INSERT" if old is None else "MODIFY"
    return set(tags_of_change(table, RowChange(event, keys, None if old is None else write_row(old), row)))


def texts(tags: list[SourceTag]) -> set[str]:
    return {tag.text for tag in tags}


def test_a_write_raises_the_tags_of_the_table_the_row_and_its_places_in_indexes() -> None:
    assert written({"customer": "ann", "placed_at": "2026-11", "shop": 7}) == {
        "@orders-prod",
        "@orders-prod#customer=ann&placed_at=2026-11",
        "@orders-prod?customer=ann",
        "@orders-prod?customer=ann&placed_at^4=2026",
        "@orders-prod?customer=ann&placed_at^7=2026-11",
        "@orders-prod?placed_at=2026-11",
        "@orders-prod?shop=N=7",
    }


def test_the_orders_of_a_customer_depend_on_that_customer_alone() -> None:
    anns = texts(tags_of_query(ORDERS, {"customer": "ann"}))

    assert anns & written(ANNS_ORDER)
    assert not anns & written(ANNS_ORDER | {"customer": "bob"})


def test_the_open_orders_of_a_month_depend_on_that_month_alone() -> None:
    november = texts(tags_of_query(ORDERS, {"status": "open"}, index="by-status", begins_with={"placed_at": "2026-11"}))

    assert november & written(ANNS_ORDER)
    assert not november & written(ANNS_ORDER | {"placed_at": "2026-12-01"})
    assert not november & written(ANNS_ORDER | {"status": "sent"})


def test_a_range_depends_on_what_its_ends_have_in_common() -> None:
    week = {"placed_at": ("2026-11-23", "2026-11-29")}

    assert texts(tags_of_query(ORDERS, {"customer": "ann"}, between=week)) == {
        "@orders-prod?customer=ann&placed_at^7=2026-11"
    }


def test_a_row_that_leaves_an_index_partition_concerns_both_partitions() -> None:
    moved = written(ANNS_ORDER | {"status": "sent"}, old=ANNS_ORDER)

    for status in ("open", "sent"):
        assert moved & texts(tags_of_query(ORDERS, {"status": status}, index="by-status")) - {"@orders-prod?"}


def test_a_record_without_an_image_concerns_every_query_by_an_index_and_other_reads_as_before() -> None:
    keys = {name: value for name, value in write_row(ANNS_ORDER).items() if name in KEY}
    raised = set(tags_of_change(ORDERS, RowChange("MODIFY", keys)))

    assert raised & texts(tags_of_query(ORDERS, {"shop": 1}, index="by-shop"))
    assert raised & texts(tags_of_query(ORDERS, {"customer": "ann"}))
    assert not raised & texts(tags_of_query(ORDERS, {"customer": "bob"}))


def test_a_new_row_needs_no_old_image() -> None:
    assert "@orders-prod?" not in written(ANNS_ORDER)


def test_a_query_by_an_index_that_is_not_declared_depends_on_the_whole_table() -> None:
    assert tags_of_query(ORDERS, {"courier": "zoe"}, index="by-courier") == tags_of_table(ORDERS)


def test_a_query_that_names_the_whole_key_depends_on_that_row() -> None:
    key = {"customer": "ann", "placed_at": "2026-11-29"}

    assert tags_of_query(ORDERS, key) == tags_of_row(ORDERS, key)


def test_two_indexes_over_the_same_attributes_share_tags() -> None:
    table = TrackedTable("t", {"one": ("a", "b"), "two": ("a", "b")})

    assert tags_of_query(table, {"a": 1}, index="one") == tags_of_query(table, {"a": 1}, index="two")


@pytest.mark.parametrize("value", [100, 100.0, Decimal("1E+2"), Decimal("100.00")])
def test_equal_numbers_have_equal_tags(value: object) -> None:
    assert tags_of_row(ORDERS, {"n": value}) == tags_of_row(ORDERS, {"n": 100})


@pytest.mark.parametrize("value", [0.0, -0.0, Decimal("-0"), Decimal("0E+9")])
def test_every_zero_is_the_same(value: object) -> None:
    assert tags_of_row(ORDERS, {"n": value}) == tags_of_row(ORDERS, {"n": 0})


@pytest.mark.parametrize("sent", ["1E+2", "100", "100.0"])
def test_a_number_of_a_record_has_the_tag_of_the_plain_number(sent: str) -> None:
    raised = tags_of_change(ORDERS, RowChange("REMOVE", {"n": {"N": sent}}, old={"n": {"N": sent}}))

    assert texts(tags_of_row(ORDERS, {"n": 100})) < set(raised)


def test_bytes_of_a_record_are_base64() -> None:
    raised = tags_of_change(ORDERS, RowChange("REMOVE", {"b": {"B": "/+8="}}, old={"b": {"B": "/+8="}}))

    assert texts(tags_of_row(ORDERS, {"b": b"\xff\xef"})) < set(raised)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": "N=1"}),
        ({"a": b"x"}, {"a": "B=eA=="}),
        ({"a": "x&b=y"}, {"a": "x", "b": "y"}),
        ({"a=b": "c"}, {"a": "b=c"}),
        ({"a": "é"}, {"a": "%C3%A9"}),
        ({"a": "x" * 500}, {"a": "x" * 501}),
    ],
)
def test_different_keys_have_different_tags(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert texts(tags_of_row(ORDERS, one)).isdisjoint(texts(tags_of_row(ORDERS, other)))


def test_a_long_tag_keeps_its_beginning_and_ends_in_a_hash() -> None:
    (tag,) = texts(tags_of_row(ORDERS, {"customer": "ann" * 100}))

    assert tag.startswith("@orders-prod#customer=annann")
    assert len(tag.encode()) <= MAX_SOURCE_TAG_BYTES


def test_a_key_that_dynamodb_would_refuse_depends_on_the_whole_table() -> None:
    assert tags_of_row(ORDERS, {"customer": None}) == tags_of_table(ORDERS)


def test_the_partitions_of_a_row_stand_for_it_and_then_the_table_does() -> None:
    (tag,) = tags_of_row(ORDERS, {"customer": "ann", "placed_at": "2026"})

    assert tag.wider == ("@orders-prod?customer=ann", "@orders-prod?placed_at=2026", "@orders-prod")
