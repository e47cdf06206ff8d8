"""Header fields: what a client accepts, has, and waits for; and how long a cache may hold a result."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from push.protocol.http_fields import (
    MAX_WAIT_SECONDS,
    accepts_gzip,
    entity_tag,
    find_match,
    freshness_fields,
    read_wait,
)
from tests.builders.results import NOW_MS, make_result

ETAG = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("field", "match"),
    [
        ("", None),
        ("*", "*"),
        (" * ", "*"),
        (f'"{ETAG}"', f'"{ETAG}"'),
        (f'W/"{ETAG}"', f'W/"{ETAG}"'),
        (f'"{ETAG}-gzip"', f'"{ETAG}-gzip"'),
        (f'"other", W/"another" ,"{ETAG}"', f'"{ETAG}"'),
        (f'"a,b","{ETAG}"', f'"{ETAG}"'),
        ('"other"', None),
        (ETAG, None),
        (f'"{ETAG}', None),
        (f'"x{ETAG}"', None),
        ('"*"', None),
    ],
)
def test_entity_tags_are_compared_weakly_and_whole(field: str, match: str | None) -> None:
    assert find_match(field, ETAG) == match


def test_each_coding_has_an_entity_tag_of_its_own() -> None:
    tags = [entity_tag(ETAG, is_gzip=is_gzip) for is_gzip in (False, True)]
    assert len(set(tags)) == 2
    assert [find_match(tag, ETAG) for tag in tags] == tags


@pytest.mark.parametrize(
    ("field", "accepts"),
    [
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip; q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("br, identity", False),
        ("gzip;q=much", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_sent_to_those_who_list_it(field: str, accepts: bool) -> None:
    assert accepts_gzip(field) is accepts


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("", 0),
        ("wait=10", 10),
        ("Wait = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=10", 10),
        ("wait=10; foo=bar, handling=lenient", 10),
        ("wait=100", MAX_WAIT_SECONDS),
        ("wait=5, wait=20", 5),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=soon", 0),
        ("wait", 0),
        ("wait=٣", 0),
        ("await=3", 0),
        ("wait=" + "9" * 5000, 0),
    ],
)
def test_a_client_is_kept_waiting_as_long_as_it_prefers_and_the_gateway_allows(field: str, seconds: int) -> None:
    assert read_wait(field) == seconds


@given(st.text(), st.text())
def test_any_fields_are_read(field: str, etag: str) -> None:
    find_match(field, etag)
    accepts_gzip(field)
    assert 0 <= read_wait(field) <= MAX_WAIT_SECONDS


def directives(fields: dict[str, str]) -> dict[str, int]:
    return {name: int(seconds) for name, seconds in re.findall(r"([a-z-]+)=(\d+)", fields["cache-control"])}


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(-1000, 300_000), st.booleans())
def test_no_cache_holds_a_result_longer_than_this_service_does(
    fresh_ms: int, stale_ms: int, passed_ms: int, is_invalidated: bool
) -> None:
    result = replace(make_result(fresh_ms=fresh_ms, stale_ms=stale_ms), is_invalidated=is_invalidated)
    now_ms = NOW_MS + passed_ms
    fields = freshness_fields(result, now_ms, is_public=False)
    given_seconds, age = directives(fields), int(fields["age"])
    fresh_left_ms = (given_seconds["max-age"] - age) * 1000
    stale_left_ms = fresh_left_ms + given_seconds.get("stale-while-revalidate", 0) * 1000
    assert fresh_left_ms <= max(0, (NOW_MS if is_invalidated else result.fresh_until_ms) - now_ms)
    assert stale_left_ms <= max(0, result.stale_until_ms - now_ms)
    assert given_seconds.get("stale-if-error") == given_seconds.get("stale-while-revalidate")


def test_what_is_left_is_the_rest_to_the_second() -> None:
    result = make_result(fresh_ms=60_000, stale_ms=600_000)
    fields = freshness_fields(result, NOW_MS + 5000, is_public=True)
    assert fields == {
        "cache-control": "public, max-age=60, stale-while-revalidate=600, stale-if-error=600",
        "age": "5",
    }


def test_what_a_change_made_stale_is_only_good_until_it_is_fetched_anew() -> None:
    result = replace(make_result(fresh_ms=60_000, stale_ms=540_000), is_invalidated=True)
    fields = freshness_fields(result, NOW_MS, is_public=False)
    assert fields["cache-control"] == "private, max-age=0, stale-while-revalidate=600, stale-if-error=600"


def test_what_is_never_answered_stale_says_nothing_of_it() -> None:
    assert freshness_fields(make_result(stale_ms=0), NOW_MS, is_public=False)["cache-control"] == "private, max-age=10"
