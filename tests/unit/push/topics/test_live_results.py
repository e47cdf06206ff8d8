"""Entries of live results' histories."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from push.computes import Tenant
from push.errors import RequestError
from push.keys import Key
from push.results import Result, Status, make_etag
from push.topics.live_results import PAYLOAD_FROM_BYTES, LiveEntry, entry_of, parse_entry

KEY = Key(Tenant("acme"), "echo", 1, "0" * 32)


def result_of(data: bytes, status: Status = Status.VALUE) -> Result:
    return Result(status, 1000, 2000, 3000, make_etag(data), data)


def test_a_value_is_kept_as_it_is() -> None:
    result = result_of(b'{"b":1.10,"a":"\xc3\xa4"}')

    entry = entry_of(KEY, result)

    assert entry.payload == ""
    assert entry.message.etag == result.etag
    parsed = parse_entry(entry.message.data)
    assert (parsed.etag, bytes(parsed.data)) == (result.etag, result.data)


def test_null_is_a_value() -> None:
    assert bytes(parse_entry(entry_of(KEY, result_of(b"null")).message.data).data) == b"null"


def test_a_failure_is_kept_as_its_error() -> None:
    entry = parse_entry(entry_of(KEY, result_of(b'{"code":"not_found"}', Status.FAILURE)).message.data)

    assert bytes(entry.error) == b'{"code":"not_found"}'
    assert bytes(entry.data) == b""


def test_up_to_96_kib_are_kept_in_the_entry_and_more_in_the_bucket() -> None:
    small = result_of(b'"' + b"x" * (96 * 1024 - 2) + b'"')
    large = result_of(b'"' + b"x" * (96 * 1024 - 1) + b'"')

    assert len(large.data) == PAYLOAD_FROM_BYTES
    assert entry_of(KEY, small).payload == ""
    entry = entry_of(KEY, large)
    assert entry.payload.endswith(f"/{KEY.public}/{large.etag}")
    assert parse_entry(entry.message.data) == LiveEntry(large.etag, payload=entry.payload)


def test_the_id_is_that_of_one_computing() -> None:
    result = result_of(b"1")

    assert entry_of(KEY, result).message.id == entry_of(KEY, replace(result, is_invalidated=True)).message.id
    assert entry_of(KEY, result).message.id != entry_of(KEY, replace(result, computed_at_ms=1001)).message.id


@pytest.mark.parametrize("data", [b"", b"1", b'{"data":1}', b'{"etag":5}', b"\xff"])
def test_anything_else_is_no_entry(data: bytes) -> None:
    with pytest.raises(RequestError):
        parse_entry(data)
