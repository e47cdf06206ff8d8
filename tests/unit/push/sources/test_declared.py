"""The setting SOURCES."""

from __future__ import annotations

import pytest

from push.errors import SettingsError
from push.sources.declared import parse_sources
from push.sources.table_tags import TrackedTable


def test_empty_text_declares_nothing() -> None:
    assert not parse_sources("").tables


def test_each_kind_of_source_has_its_names() -> None:
    declared = parse_sources("""{
        "tables": {"Orders": {"name": "orders-1", "indexes": {"by-status": ["status", "placed_at"]}}},
        "buckets": {"Files": {"name": "files-1"}},
        "streams": {"ledger": {"name": "ledger-1", "format": "dms"}},
        "events": {"prices": {}},
        "notifications": {"deals": {"arn": "arn:aws:sns:eu-central-1:123456789012:deals"}}
    }""")

    assert declared.tables["Orders"].tracked == TrackedTable("orders-1", {"by-status": ("status", "placed_at")})
    assert declared.buckets["Files"].name == "files-1"
    assert declared.streams["ledger"].format == "dms"
    assert "prices" in declared.events
    assert declared.notifications["deals"].arn.endswith(":deals")


def test_a_stream_has_json_unless_it_says_otherwise() -> None:
    assert parse_sources('{"streams": {"ledger": {"name": "ledger-1"}}}').streams["ledger"].format == "json"


@pytest.mark.parametrize(
    "text",
    [
        "[",
        '{"tables": {"Orders": {}}}',
        '{"tables": {"Orders": {"name": "o", "indexes": {"i": []}}}}',
        '{"tables": {"Orders": {"name": "o", "indexes": {"i": ["a", "b", "c"]}}}}',
        '{"streams": {"ledger": {"name": "l", "format": "xml"}}}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SOURCES is not JSON like"):
        parse_sources(text)
