"""What records of streams and notifications tell of changes."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.documents import DocumentsParams, documents_tags
from compute.leaderboard import LeaderboardParams, leaderboard_tags
from push.computes import Tenant
from push.queues.bodies import encode_body
from push.sources.changes import (
    Change,
    ChangedMember,
    Source,
    Told,
    merge,
    parse_message,
    parse_notification,
    parse_stream_record,
    read_records,
)
from push.sources.changes import UnreadableChangeError as Unreadable
from push.sources.documents import object_key
from push.sources.raised_tags import RaisedTags, serialize_raised_tags
from push.tags import ALL_SCOPES, TagScope
from tests.builders.change_records import document_record, message, notification, score_record, text

ACME = Tenant("acme")
AIRPORTS = ("documents:airports/CA", "documents:airports")

names = st.text("abzABZ019_.-", min_size=1, max_size=64).filter(lambda name: name not in {".", ".."})
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=8), values, max_size=3),
    max_leaves=8,
)


def test_a_row_of_the_index_changes_its_document_and_the_collection() -> None:
    assert parse_stream_record(document_record("acme/airports", "CA")) == Change(Source.DOCUMENTS, ACME, AIRPORTS)


def test_a_row_that_was_removed_changes_the_same() -> None:
    removed = document_record("acme/airports", "CA", event="REMOVE")
    assert parse_stream_record(removed) == parse_stream_record(document_record("acme/airports", "CA"))


def test_an_object_changes_the_same_as_its_row() -> None:
    (change,) = parse_notification(notification("documents/acme/airports/CA.json"))
    assert change == Change(Source.OBJECTS, ACME, AIRPORTS)


@given(tenant=names, collection=names, document_id=names)
def test_the_tags_are_those_of_the_results_made_from_a_document(tenant: str, collection: str, document_id: str) -> None:
    change = parse_stream_record(document_record(f"{tenant}/{collection}", document_id))
    (of_object,) = parse_notification(notification(object_key(tenant, collection, document_id)))
    one, every = DocumentsParams(collection, (document_id,)), DocumentsParams(collection)
    assert change.scope == of_object.scope == tenant
    assert set(change.tags) == set(of_object.tags) == {*documents_tags(one), *documents_tags(every)}


@given(tenant=names, board=names, member=st.text(min_size=1), score=st.floats(allow_nan=False, allow_infinity=False))
def test_a_score_changes_its_board_and_says_which_member(tenant: str, board: str, member: str, score: float) -> None:
    change = parse_stream_record(score_record(f"{tenant}/{board}", member, repr(score)))
    tags = leaderboard_tags(LeaderboardParams(board))
    assert change == Change(Source.SCORES, Tenant(tenant), tags, ChangedMember(Tenant(tenant), board, member))


def test_the_score_in_a_record_does_not_matter() -> None:
    """It may be older than what was read from the table meanwhile."""
    records = [score_record("acme/chess", "ada", score) for score in ("5", "7", "many", None)]
    assert [parse_stream_record(record) for record in records] == [parse_stream_record(records[0])] * 4


def test_the_keys_of_objects_come_encoded() -> None:
    (change,) = parse_notification(notification("documents/acme/airports/a b+é.json"))
    assert change.tags[0] == "documents:airports/a b+é"


def test_one_notification_may_tell_of_several_objects() -> None:
    keys = [object_key("acme", "airports", each) for each in ("CA", "TX")]
    assert [change.tags[0] for change in parse_notification(notification(*keys))] == [
        "documents:airports/CA",
        "documents:airports/TX",
    ]


def test_s3_trying_the_queue_tells_of_nothing() -> None:
    body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-21T00:00:00Z", "Bucket": "storage"}
    assert parse_notification(json.dumps(body)) == ()


@pytest.mark.parametrize(
    "record",
    [
        document_record("airports", "CA"),
        document_record("acme/", "CA"),
        document_record("a b/airports", "CA"),
        document_record("acme/air/ports", "CA"),
        score_record("*/chess", "ada", "1"),
        {"dynamodb": {"Keys": {"connection_id": text("x=")}, "SequenceNumber": "1"}},
        {"dynamodb": {"Keys": {"board": {"N": "1"}, "member": text("ada")}, "SequenceNumber": "1"}},
        {"dynamodb": {}},
        {},
    ],
)
def test_a_record_of_something_else_is_unreadable(record: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        parse_stream_record(record)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Records":[{}]}',
        notification("documents/acme/x.json"),
        notification("payloads/acme/airports/CA.json"),
    ],
)
def test_a_message_of_something_else_is_unreadable(body: str) -> None:
    with pytest.raises(Unreadable):
        parse_message(body)


@given(json_values)
def test_no_record_raises_anything_else(value: Any) -> None:
    for read in (
        lambda: parse_stream_record(value),
        lambda: parse_stream_record({"dynamodb": value}),
        lambda: parse_stream_record({"dynamodb": {"Keys": value, "NewImage": value}}),
        lambda: parse_message(json.dumps(value)),
        lambda: parse_message(json.dumps({"tags": value})),
        lambda: parse_notification(json.dumps({"Records": [{"s3": {"object": value}}]})),
    ):
        with contextlib.suppress(Unreadable):
            read()


def test_a_record_that_cant_be_read_is_reported_and_the_others_are_read() -> None:
    told = read_records(
        [
            document_record("acme/airports", "CA", "1"),
            document_record("nobody's", "CA", "2"),
            score_record("acme/chess", "ada", "1", "3"),
        ]
    )
    assert [each.record_id for each in told] == ["1", "2", "3"]
    assert [len(each.changes) for each in told] == [1, 0, 1]
    assert [bool(each.problem) for each in told] == [False, True, False]


def test_messages_of_a_batch_are_known_by_their_ids() -> None:
    body = notification("documents/acme/airports/CA.json")
    told = read_records([message(body, "m1"), message("{", "m2")])
    assert [(each.record_id, len(each.changes), bool(each.problem)) for each in told] == [
        ("m1", 1, False),
        ("m2", 0, True),
    ]


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ('{"tags":["rates"],"tenant":"acme"}', ACME),
        ('{"tags":["rates"],"scope":"shared"}', None),
        ('{"tags":["rates"],"scope":"all","by":"an import"}', ALL_SCOPES),
    ],
)
def test_a_message_may_raise_tags_by_name(body: str, scope: TagScope) -> None:
    assert parse_message(body) == (Change(Source.TAGS, scope, ("rates",)),)


def test_many_tags_arrive_compressed() -> None:
    raised = RaisedTags(tuple(f"{number:0255}" for number in range(100)), tenant="acme")
    body = encode_body(serialize_raised_tags(raised))
    assert body.startswith("zstd:")
    assert parse_message(body) == (Change(Source.TAGS, ACME, raised.tags),)


@pytest.mark.parametrize(
    "body",
    [
        '{"tags":["rates"]}',
        '{"tags":["rates"],"tenant":"*"}',
        '{"tags":["rates"],"scope":"every"}',
        '{"tags":["rates"],"scope":"shared","tenant":"acme"}',
        '{"tags":[],"tenant":"acme"}',
        '{"tags":"rates","tenant":"acme"}',
        '{"tags":["' + "x" * 256 + '"],"tenant":"acme"}',
        "zstd:rates",
        "rates",
    ],
)
def test_a_message_that_raises_tags_badly_is_unreadable(body: str) -> None:
    with pytest.raises(Unreadable):
        parse_message(body)


def test_changes_of_a_batch_are_put_together_by_scope_each_tag_once() -> None:
    told = read_records(
        [
            document_record("acme/airports", "CA", "1"),
            document_record("globex/airports", "CA", "2"),
            document_record("acme/airports", "CA", "3"),
            document_record("acme/airports", "TX", "4"),
        ]
    )
    acme, globex = merge(told)
    assert (acme.scope, acme.record_ids) == (ACME, ["1", "3", "4"])
    assert list(acme.tags) == [*AIRPORTS, "documents:airports/TX"]
    assert (globex.scope, list(globex.tags), globex.record_ids) == ("globex", list(AIRPORTS), ["2"])


def test_several_changes_of_a_member_count_once() -> None:
    told = read_records([score_record("acme/chess", "ada", score, str(n)) for n, score in enumerate(["1", None, "3"])])
    (acme,) = merge(told)
    assert acme.members == {(ACME, "chess"): {"ada": None}}
    assert list(acme.tags) == ["leaderboard:chess"]


tenants = st.sampled_from(["acme", "globex"])
records = st.lists(
    st.builds(document_record, st.builds("{}/airports".format, tenants), st.sampled_from(["CA", "TX"]))
    | st.builds(
        score_record,
        st.builds("{}/chess".format, tenants),
        st.sampled_from(["ada", "bob"]),
        st.none() | st.integers().map(str),
    )
    | st.builds(document_record, st.just("unreadable"), st.just("x")),
    max_size=12,
)


@given(records)
def test_merging_loses_no_change(batch: list[dict[str, Any]]) -> None:
    for number, record in enumerate(batch):
        record["dynamodb"]["SequenceNumber"] = str(number)
    told = read_records(batch)
    merged = {each.scope: each for each in merge(told)}
    members: set[tuple[str, str, str]] = set()
    for each in told:
        for change in each.changes:
            assert set(change.tags) <= set(merged[change.scope].tags)
            assert each.record_id in merged[change.scope].record_ids
            if change.member is not None:
                members.add((change.member.tenant, change.member.board, change.member.member))
    assert members == {
        (tenant, board, member)
        for each in merged.values()
        for (tenant, board), its_members in each.members.items()
        for member in its_members
    }


def test_a_batch_that_tells_of_nothing_changes_nothing() -> None:
    assert merge([Told("1"), Told("2", problem="unreadable")]) == []
