"""Data as gzip in base64, bounded however it is made."""

import base64
import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushaside.errors import TooLargeError, UnreadableResultError
from pushaside.protocol.data_forms import check_etag, decode_data, gunzip, make_etag

MEGABYTE = 1024 * 1024


def encoded(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def test_data_is_what_was_encoded() -> None:
    assert decode_data(encoded('{"name":"Zoë"}'.encode()), "gzip+base64", MEGABYTE) == {"name": "Zoë"}


@pytest.mark.parametrize("encoding", ["br+base64", "gzip", None, 7])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: object) -> None:
    with pytest.raises(UnreadableResultError, match=r"only gzip\+base64 was accepted"):
        decode_data(encoded(b"1"), encoding, MEGABYTE)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = base64.b64encode(gzip.compress(b"0" * (50 * MEGABYTE))).decode()

    with pytest.raises(TooLargeError, match="1048576 bytes"):
        decode_data(bomb, "gzip+base64", MEGABYTE)


def test_data_may_be_exactly_as_large_as_allowed() -> None:
    assert gunzip(gzip.compress(b"x" * 1000), 1000) == b"x" * 1000
    with pytest.raises(TooLargeError):
        gunzip(gzip.compress(b"x" * 1001), 1000)


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        "é",
        base64.b64encode(b"not gzip").decode(),
        base64.b64encode(gzip.compress(b"[1]", mtime=0)[:-1]).decode(),
        base64.b64encode(gzip.compress(b"[1]", mtime=0) + b"more").decode(),
        base64.b64encode(zlib.compress(b"[1]")).decode(),
        encoded(b"no json"),
        "",
        None,
        [1],
    ],
)
def test_what_is_damaged_is_unreadable(text: object) -> None:
    with pytest.raises(UnreadableResultError):
        decode_data(text, "gzip+base64", MEGABYTE)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(UnreadableResultError, TooLargeError):
        decode_data(base64.b64encode(data).decode(), "gzip+base64", 1000)


def test_an_etag_proves_data_and_one_of_another_kind_tells_nothing() -> None:
    check_etag(b"[1]", make_etag(b"[1]"))
    check_etag(b"[1]", "")
    check_etag(b"[1]", "v2-something")
    with pytest.raises(UnreadableResultError, match="is not what the etag"):
        check_etag(b"[2]", make_etag(b"[1]"))
