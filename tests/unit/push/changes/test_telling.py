"""What facts tell of the sources that they belong to."""

from __future__ import annotations

import pytest

from push.adapters.dynamodb.images import read_image
from push.changes.declaring import ChangeFunctions, changes_of
from push.changes.facts import EventSent, Fact, MessagePublished, ObjectWritten, RowWritten, StreamItem, TableRow
from push.changes.records import ChangeRecord
from push.changes.records import UnreadableChangeError as Unreadable
from push.changes.source_names import SourceNames
from push.changes.telling import Teller, shown_name
from push.sources.declared import parse_sources
from push.sources.table_tags import RowChange
from push.tags import ALL_SCOPES
from tests.builders.change_records import BUILT_IN_SOURCES, TOPIC_ARN

DECLARED = f"""{{
    "tables": {{
        "Orders": {{"name": "shop-Orders", "indexes": {{"by-status": ["status"]}}}},
        "Same": {{"name": "shop-Orders"}},
        "Docs": {{"name": "documents"}}
    }},
    "buckets": {{"Files": {{"name": "shop-files"}}}},
    "streams": {{"ledger": {{"name": "shop-ledger", "format": "debezium"}}}},
    "events": {{"prices": {{}}}},
    "notifications": {{"deals": {{"arn": "{TOPIC_ARN.format("deals")}"}}}}
}}"""

NAMES = SourceNames(parse_sources(DECLARED), parse_sources(BUILT_IN_SOURCES))


@changes_of("shop.unnamed")
def of_sender(_record: object) -> None:
    """Name no tags."""


@changes_of("Orders")
def of_orders(_record: object) -> None:
    """Name no tags."""


TELLER = Teller(NAMES, ChangeFunctions([of_sender, of_orders]), read_image)

ROW = RowChange("INSERT", {"id": {"N": "1"}}, new={"id": {"N": "1"}, "status": {"S": "open"}})


def test_a_table_with_two_names_tells_of_both_and_raises_its_tags_once() -> None:
    one, other = TELLER.tell(RowWritten("shop-Orders", ROW), 5.0)
    assert (one.source, one.functions) == ("Orders", (of_orders,))
    assert one.record == ChangeRecord(
        source="Orders", operation="insert", at=5.0, key={"id": 1}, new={"id": 1, "status": "open"}
    )
    assert "@shop-Orders?status=open" in one.tags
    assert (other.source, other.tags, other.functions, other.record) == ("Same", (), (), None)


def test_a_table_without_a_name_raises_its_tags_under_its_own() -> None:
    (told,) = TELLER.tell(RowWritten("elsewhere", ROW), 0.0)
    assert (told.source, told.scope) == ("elsewhere", None)
    assert "@elsewhere" in told.tags


def test_pushasides_own_tables_raise_the_tags_of_reads_only_if_the_application_declares_them() -> None:
    (scores,) = TELLER.tell(RowWritten("scores", ROW), 0.0)
    assert (shown_name(scores.source), scores.tags) == ("scores", ())
    docs, own = TELLER.tell(RowWritten("documents", ROW), 0.0)
    assert (docs.source, own.source) == ("Docs", "pushaside:documents")
    assert "@documents" in docs.tags


def test_pushasides_own_bucket_raises_no_tags_of_reads() -> None:
    (told,) = TELLER.tell(ObjectWritten("storage", "documents/acme/a/b.json", "update"), 0.0)
    assert (told.source, told.tags) == ("pushaside:objects", ())


def test_an_object_raises_the_tags_of_its_bucket() -> None:
    (told,) = TELLER.tell(ObjectWritten("shop-files", "a/b", "delete"), 0.0)
    assert told.tags == ("@s3:shop-files", "@s3:shop-files/a/", "@s3:shop-files/a/b")
    assert told.record == ChangeRecord(source="Files", operation="delete", object_key="a/b")


def test_a_row_of_a_database_raises_its_table_and_its_key() -> None:
    row = TableRow("public.orders", "update", "42", {"id": 42}, {"id": 42})
    (told,) = TELLER.tell(StreamItem("shop-ledger", {"op": "u"}, row), 0.0)
    assert (told.scope, told.tags) == (ALL_SCOPES, ("ledger:public.orders", "ledger:public.orders#42"))


def test_a_tag_too_long_for_a_result_is_left_out() -> None:
    row = TableRow("public.orders", "update", "x" * 255)
    (told,) = TELLER.tell(StreamItem("shop-ledger", {}, row), 0.0)
    assert told.tags == ("ledger:public.orders",)


def test_an_event_is_its_body() -> None:
    (told,) = TELLER.tell(EventSent("prices", {"detail": 1}), 0.0)
    assert told.record == ChangeRecord(source="prices", body={"detail": 1})


def test_an_event_may_have_a_function_under_its_senders_name() -> None:
    (told,) = TELLER.tell(EventSent("shop.unnamed", {}), 0.0)
    assert told.functions == (of_sender,)


def test_a_notification_has_the_name_of_its_topic() -> None:
    (told,) = TELLER.tell(MessagePublished(TOPIC_ARN.format("deals"), "text"), 0.0)
    assert told.record == ChangeRecord(source="deals", body="text")


@pytest.mark.parametrize(
    ("fact", "remedy"),
    [
        (StreamItem("others", {}), r"\[streams.NAME\]"),
        (MessagePublished(TOPIC_ARN.format("others"), ""), r"\[notifications.NAME\]"),
        (EventSent("others", {}), r"\[events.NAME\]"),
    ],
)
def test_what_belongs_to_no_source_is_unreadable_and_says_how_to_declare_it(fact: Fact, remedy: str) -> None:
    with pytest.raises(Unreadable, match=remedy):
        TELLER.tell(fact, 0.0)


def test_every_name_is_known() -> None:
    assert NAMES.all == {
        "Orders",
        "Same",
        "Docs",
        "Files",
        "ledger",
        "prices",
        "deals",
        "pushaside:documents",
        "pushaside:scores",
        "pushaside:objects",
    }
