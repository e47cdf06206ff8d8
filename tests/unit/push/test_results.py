"""Results as stored: what was written is read, and what was not written by this version is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from push.results import (
    HEADER_BYTES,
    CorruptResultError,
    Result,
    Status,
    is_storable,
    make_etag,
    parse_result,
    serialize_header,
    serialize_result,
)
from tests.builders.results import make_result

TIMES = st.integers(0, 2**63)
TAGS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=5).map(tuple)
RESULTS = st.builds(
    lambda data, **rest: Result(etag=make_etag(data), data=data, **rest),
    data=st.binary(max_size=3000) | st.binary(max_size=20).map(lambda part: part * 500),
    status=st.sampled_from(Status),
    computed_at_ms=TIMES,
    fresh_until_ms=TIMES,
    stale_until_ms=TIMES,
    cost_us=st.integers(0, 2**32 - 1),
    source_version=st.integers(0, 2**64 - 1),
    tags=TAGS,
    is_invalidated=st.booleans(),
)


@given(RESULTS)
def test_what_was_written_is_read(result: Result) -> None:
    assert parse_result(serialize_result(result)) == result


def test_a_result_whose_reads_may_lag_says_so_until_a_change_makes_it_stale() -> None:
    lagging = replace(make_result(b"1"), may_lag=True)
    stored = bytearray(serialize_result(lagging))
    assert parse_result(stored) == lagging
    stored[4] = 1  # as the script of a change does
    assert parse_result(stored) == replace(lagging, may_lag=False, is_invalidated=True)


@given(RESULTS)
def test_the_header_is_the_beginning_of_what_is_stored(result: Result) -> None:
    assert serialize_result(result)[:HEADER_BYTES] == serialize_header(result)


@given(RESULTS)
def test_the_source_version_is_where_the_fill_script_looks_for_it(result: Result) -> None:
    assert int.from_bytes(serialize_result(result)[8:16], "big") == result.source_version


@given(RESULTS, RESULTS)
def test_headers_tell_results_apart_by_all_but_their_tags_text(one: Result, other: Result) -> None:
    if serialize_header(one) == serialize_header(other):
        assert replace(one, tags=other.tags) == other


def test_a_cost_beyond_the_field_is_the_most_it_holds() -> None:
    assert parse_result(serialize_result(replace(make_result(), cost_us=2**40))).cost_us == 2**32 - 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_or_corrupt(stored: bytes) -> None:
    with pytest.raises(CorruptResultError):
        parse_result(stored)


@given(RESULTS, st.data())
def test_damaged_bytes_are_a_result_or_corrupt(result: Result, data: st.DataObject) -> None:
    stored = bytearray(serialize_result(result))
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(0, min(len(stored), 120) - 1))] = data.draw(st.integers(0, 255))
    result_or_none(bytes(stored))
    result_or_none(bytes(stored[: data.draw(st.integers(0, len(stored)))]))


def result_or_none(stored: bytes) -> Result | None:
    try:
        return parse_result(stored)
    except CorruptResultError:
        return None


@pytest.mark.parametrize(
    ("tags", "source_version", "is_fine"),
    [
        ((), 0, True),
        (("x" * 255,), 2**64 - 1, True),
        (("\u00fc" * 127,), 0, True),
        (("x" * 10,) * 255, 0, True),
        (("x" * 256,), 0, False),
        (("\u00fc" * 128,), 0, False),
        (("x",) * 256, 0, False),
        (("x" * 255,) * 255, 0, True),
        (("\ud800",), 0, False),
        ((), -1, False),
        ((), 2**64, False),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)
def test_what_is_storable_can_be_stored(tags: tuple[str, ...], source_version: int, is_fine: bool) -> None:
    assert is_storable(tags, source_version) is is_fine
    if is_fine:
        result = make_result(tags=tags, source_version=source_version)
        assert parse_result(serialize_result(result)) == result


def test_an_etag_is_96_bits_of_the_data() -> None:
    assert make_etag(b"a") != make_etag(b"b")
    assert len(bytes.fromhex(make_etag(b"a"))) == 12
