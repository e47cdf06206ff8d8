"""Large answers: every form holds the same data, and goes through API Gateway."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.protocol.frames import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, CacheState
from push.protocol.large_answers import (
    LARGE_FROM_BYTES,
    encode_data,
    fits_message,
    is_large,
    parse_accept,
    render_large_result,
)
from push.protocol.payloads import LINK_FROM_BYTES
from push.results import Status
from tests.builders.results import NOW_MS, make_result, unique_key

URL = 'https://storage.test/payload?X-Amz-Signature=1&quoted="'


def compressible(size_bytes: int) -> bytes:
    """Return JSON of a size that compresses well."""
    return b'"' + b"0123456789" * (size_bytes // 10 - 1) + b"x" * (size_bytes % 10 + 8) + b'"'


def incompressible(size_bytes: int) -> bytes:
    """Return JSON of about a size that does not compress, all of whose characters take two bytes of UTF-8."""
    letters = random.Random(size_bytes).choices([chr(code) for code in range(0x100, 0x700)], k=size_bytes // 2 - 1)
    return json.dumps("".join(letters), ensure_ascii=False).encode()


def render(data: bytes, *, accepts: bool, request_id: str = "1") -> list[str]:
    result = make_result(data)
    encoded = encode_data(data) if accepts else ""
    return render_large_result(
        request_id, unique_key(), result, CacheState.HIT, NOW_MS, encoded=encoded, link=lambda: URL
    )


def read(frames: list[str]) -> dict:
    """Return the message that frames carry."""
    if len(frames) == 1:
        assert len(frames[0].encode()) <= MAX_MESSAGE_BYTES
        return json.loads(frames[0])
    assert all(len(frame.encode()) <= MAX_FRAME_BYTES for frame in frames)
    return json.loads("".join(json.loads(frame)["data"] for frame in frames))


def data_of(message: dict) -> object:
    if message.get("encoding") is None:
        return message["data"]
    assert message["encoding"] == "gzip+base64"
    return json.loads(gzip.decompress(base64.b64decode(message["data"], validate=True)))


def test_what_compresses_is_encoded_for_who_reads_it_and_plain_for_others() -> None:
    data = compressible(50_000)
    encoded, plain = read(render(data, accepts=True)), read(render(data, accepts=False))
    assert data_of(encoded) == data_of(plain) == json.loads(data)
    assert (encoded["encoding"], "encoding" in plain) == ("gzip+base64", False)
    assert {name: encoded[name] for name in plain if name not in {"data", "key"}} == {
        name: plain[name] for name in plain if name not in {"data", "key"}
    }


def test_what_does_not_compress_is_plain_even_for_who_reads_gzip() -> None:
    data = incompressible(20_000)
    assert encode_data(data) == ""
    assert "encoding" not in read(render(data, accepts=True))


def test_the_same_data_are_encoded_to_the_same_text_without_a_time() -> None:
    encoded = encode_data(compressible(5000))
    assert encoded == encode_data(compressible(5000))
    assert base64.b64decode(encoded)[4:8] == bytes(4)


@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("size_bytes", [140_000, 300_000, LINK_FROM_BYTES - 1])
def test_what_fits_no_message_comes_in_chunks(size_bytes: int, accepts: bool) -> None:
    data = incompressible(size_bytes)
    frames = render(data, accepts=accepts)
    assert len(frames) > size_bytes // MAX_FRAME_BYTES
    assert data_of(read(frames)) == json.loads(data)


def test_chunks_carry_the_encoded_form_where_that_is_smaller() -> None:
    data = b'"' + random.Random(1).randbytes(200_000).hex().encode() + b'"'
    assert read(render(data, accepts=True))["encoding"] == "gzip+base64"
    assert len(render(data, accepts=True)) < len(render(data, accepts=False))


@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("size_bytes", [LINK_FROM_BYTES, 5_000_000])
def test_what_is_larger_still_is_a_link(size_bytes: int, accepts: bool) -> None:
    message = read(render(incompressible(size_bytes + 2), accepts=accepts))
    assert message["url"] == URL
    assert not {"data", "encoding"} & message.keys()


def test_what_compresses_into_a_message_is_one_however_large_it_was() -> None:
    data = compressible(600_000)
    assert data_of(read(render(data, accepts=True))) == json.loads(data)
    assert "url" in read(render(data, accepts=False))


def test_what_will_be_linked_to_is_not_compressed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []

    class Compressor:
        def __init__(self, *arguments: int) -> None:
            self._real = compressobj(*arguments)

        def compress(self, data: bytes) -> bytes:
            fed.append(len(data))
            return self._real.compress(data)

    compressobj = zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", Compressor)
    assert encode_data(incompressible(5_000_000)) == ""
    assert sum(fed) < 300_000


@pytest.mark.parametrize("text", ["x", "\u00fc", "\U0001f600"])
def test_a_message_may_have_as_many_bytes_as_api_gateway_takes(text: str) -> None:
    just = text * (MAX_MESSAGE_BYTES // len(text.encode()))
    assert fits_message(just)
    assert not fits_message(just + "x")


@given(st.integers(120_000, 132_000), st.sampled_from(["x", "\u00fc", "\U0001f600"]), st.booleans())
def test_no_message_is_larger_than_one_may_be(size_bytes: int, text: str, accepts: bool) -> None:
    data = json.dumps(text * (size_bytes // len(text.encode())), ensure_ascii=False).encode()
    assert data_of(read(render(data, accepts=accepts, request_id="\x00" * 128))) == json.loads(data)


def test_only_large_values_have_forms() -> None:
    assert not is_large(make_result(b"x" * (LARGE_FROM_BYTES - 1)))
    assert is_large(make_result(b"x" * LARGE_FROM_BYTES))
    assert not is_large(make_result(b"x" * LARGE_FROM_BYTES, status=Status.FAILURE))


@pytest.mark.parametrize(
    ("accept", "said"), [(None, ""), ((), "identity"), (("br",), "identity"), (("br", "gzip"), "gzip")]
)
def test_a_list_without_gzip_says_something_too(accept: tuple[str, ...] | None, said: str) -> None:
    assert parse_accept(accept) == said
