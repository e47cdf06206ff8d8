"""Records as Lambda hands them over, and records that were kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.adapters.dynamodb.images import read_image
from push.changes.declaring import ChangeFunctions, changes_of
from push.changes.reading import id_of, keep, read_record
from push.changes.records import UnreadableChangeError
from push.changes.source_names import SourceNames
from push.changes.telling import Teller
from push.sources.declared import DeclaredSources, DeclaredStream, DeclaredTable
from tests.builders.change_records import (
    document_record,
    event_of,
    message,
    notification,
    row_record,
    stream_record,
    text,
    topic_message,
)

FORMATS = {"dms": "dms", "debezium": "debezium"}

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=8),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=8), values, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("record", "number"),
    [
        (document_record("acme/airports", "CA", "11"), "11"),
        (stream_record("ledger", {}, number="12"), "12"),
        (message("{}", "m13"), "m13"),
        ({}, ""),
    ],
)
def test_a_record_is_identified_as_lambda_expects(record: dict[str, Any], number: str) -> None:
    assert id_of(record) == number


@pytest.mark.parametrize(
    ("record", "at"),
    [
        (row_record("Orders", {"id": text("1")}, at=1764374400.0), 1764374400.0),
        (stream_record("ledger", {}, at=1764374400.25), 1764374400.25),
        ({**message("{}"), "attributes": {"SentTimestamp": "1764374400250"}}, 1764374400.25),
        (message("{}"), 0.0),
    ],
)
def test_a_record_tells_when_it_was_written_or_sent(record: dict[str, Any], at: float) -> None:
    assert read_record(record, {}).at == at


@pytest.mark.parametrize("source", ["aws:s3", None])
def test_records_of_other_services_are_unreadable(source: str | None) -> None:
    assert read_record({"eventSource": source}, {}).problem


@pytest.mark.parametrize(
    "record",
    [row_record("Orders", {"id": text("1")}), stream_record("dms", b"{"), stream_record("ledger", {"account": 7})],
)
def test_a_kept_record_that_is_sent_again_is_read_as_what_it_was(record: dict[str, Any]) -> None:
    letter = keep(record, "the reason")
    assert json.loads(letter)["reason"] == "the reason"
    again = read_record(message(letter), FORMATS, letter)
    first = read_record(record, FORMATS)
    assert (again.facts, again.problem, again.record) == (first.facts, first.problem, record)


def test_a_kept_message_is_kept_as_its_document() -> None:
    first = read_record(message("zstd:..."), {}, '{"unknown":1}')
    letter = keep(first.record, first.problem)
    again = read_record(message(letter), {}, letter)
    assert (again.record, again.problem) == (first.record, first.problem)


FORMS: list[Callable[[Any], dict[str, Any]]] = [
    lambda value: {"eventSource": value},
    lambda value: {**row_record("Orders", {}), "dynamodb": value},
    lambda value: {**row_record("Orders", {}), "dynamodb": {"Keys": value, "NewImage": value, "OldImage": value}},
    lambda value: row_record("Orders", {"id": text("1")}, old={"a": {"S": value}}, new={"a": {"M": value}}),
    lambda value: {**stream_record("ledger", {}), "kinesis": value},
    lambda value: stream_record("ledger", value),
    lambda value: stream_record("dms", value),
    lambda value: stream_record("dms", {"data": value, "metadata": value}),
    lambda value: stream_record("dms", {"metadata": {"operation": value, "table-name": value}}),
    lambda value: stream_record("debezium", value),
    lambda value: stream_record("debezium", {"payload": value}),
    lambda value: stream_record("debezium", {"op": "c", "source": value, "before": value, "after": value}),
    lambda value: message(value),
    lambda value: message(json.dumps(value)),
    lambda value: message(json.dumps({"tags": value, "tenant": "acme"})),
    lambda value: message(json.dumps({"Records": value})),
    lambda value: message(json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": value}}]})),
    lambda value: message(json.dumps({"pushaside_source": "prices", "event": value})),
    lambda value: message(json.dumps({"pushaside_record": value})),
    lambda value: message(json.dumps({**event_of("aws.s3", "Object Created", {}), "detail": value})),
    lambda value: message(json.dumps({**event_of("shop", "Pushaside Tags", {}), "detail": value})),
    lambda value: message(json.dumps(topic_message("deals", json.dumps(value)))),
]


@changes_of("Orders")
def nothing(_record: object) -> None:
    """Name no tags."""


TELLER = Teller(
    SourceNames(
        DeclaredSources(
            tables={"Orders": DeclaredTable("Orders", {"by-a": ("a", "b")})},
            streams={name: DeclaredStream(name) for name in ("ledger", "dms", "debezium")},
        )
    ),
    ChangeFunctions([nothing]),
    read_image,
)


@given(form=st.sampled_from(FORMS), value=json_values)
def test_no_record_raises_anything_that_would_fail_its_batch(form: Callable[[Any], dict[str, Any]], value: Any) -> None:
    record = form(value)
    document = record.get("body")
    arrival = read_record(record, FORMATS, document if isinstance(document, str) else None)
    for fact in arrival.facts:
        with contextlib.suppress(UnreadableChangeError):
            TELLER.tell(fact, arrival.at)
    msgspec.json.encode(keep(arrival.record, arrival.problem))


def test_a_notification_tells_of_each_of_its_objects() -> None:
    body = notification("a", "b")
    assert len(read_record(message(body), {}, body).facts) == 2
