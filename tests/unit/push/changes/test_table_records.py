"""Records of the streams of tables."""

from __future__ import annotations

from typing import Any

import pytest

from push.adapters.dynamodb.images import read_image
from push.changes.facts import RowWritten
from push.changes.records import UnreadableChangeError
from push.changes.table_records import parse_table_record
from push.sources.table_tags import RowChange
from tests.builders.change_records import row_record, text

KEYS = {"customer": text("ann")}


def test_a_record_names_its_table_by_the_arn_of_the_stream() -> None:
    record = row_record("shop.Orders-1AB", KEYS, old={"paid": {"BOOL": False}}, new={"paid": {"BOOL": True}})
    assert parse_table_record(record) == RowWritten(
        "shop.Orders-1AB",
        RowChange("MODIFY", KEYS, {**KEYS, "paid": {"BOOL": False}}, {**KEYS, "paid": {"BOOL": True}}),
    )


def test_a_stream_of_keys_alone_has_no_images() -> None:
    assert parse_table_record(row_record("Orders", KEYS, event="REMOVE")).change == RowChange("REMOVE", KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:stream/x"},
        {"eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table//stream/x"},
        {"eventSourceARN": None},
        {"eventName": "DROP"},
        {"dynamodb": {}},
        {"dynamodb": {"Keys": {}}},
        {"dynamodb": {"Keys": {"customer": "ann"}}},
        {"dynamodb": {"Keys": {"customer": {}}}},
        {"dynamodb": {"Keys": {"customer": {"S": 1}}}},
        {"dynamodb": {"Keys": {"customer": {"N": "many"}}}},
        {"dynamodb": {"Keys": {"customer": {"N": "NaN"}}}},
        {"dynamodb": {"Keys": KEYS, "NewImage": {"total": {"N": 1}}}},
    ],
)
def test_a_malformed_record_is_unreadable(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableChangeError):
        parse_table_record({**row_record("Orders", KEYS), **change})


def test_the_values_of_an_image_are_plain_and_its_bytes_are_bytes() -> None:
    image = {
        "text": {"S": "a"},
        "whole": {"N": "1"},
        "part": {"N": "1.5"},
        "bytes": {"B": "AAE="},
        "set": {"BS": ["AAE="]},
        "nested": {"M": {"list": {"L": [{"B": "AAE="}, {"NULL": True}]}}},
    }
    assert read_image(image) == {
        "text": "a",
        "whole": 1,
        "part": 1.5,
        "bytes": b"\0\1",
        "set": {b"\0\1"},
        "nested": {"list": [b"\0\1", None]},
    }


@pytest.mark.parametrize("attribute", [{"B": "?"}, {"M": "x"}, {"L": 1}, {"N": []}, {"NS": ["x"]}, {}])
def test_an_attribute_that_dynamodb_can_not_hold_is_unreadable(attribute: dict[str, Any]) -> None:
    with pytest.raises(UnreadableChangeError):
        read_image({"name": attribute})
