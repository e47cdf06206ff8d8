"""Bodies of queue messages: read as they were written, small enough for the queue, and garbage is refused."""

from __future__ import annotations

import base64
import itertools
import json
import random
import string
import uuid

import pytest
from backports import zstd
from hypothesis import example, given
from hypothesis import strategies as st

from push.errors import ErrorCode, RequestError
from push.queues.bodies import (
    BATCH_BYTES,
    BATCH_MESSAGES,
    COMPRESSED_FROM_BYTES,
    INLINE_BODIES,
    INLINE_BYTES,
    MAX_DOCUMENT_BYTES,
    claimed_name,
    compress,
    decode_body,
    decompress,
    encode_body,
    make_claim_check,
    parse_claim_check,
    split_batches,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.builds(
    lambda text, times: json.dumps({"text": text * times}, ensure_ascii=False), TEXT, st.sampled_from((1, 100, 10_000))
)


def incompressible(size: int) -> str:
    """Return a document that no compression makes smaller than about three quarters, of so many bytes."""
    letters = random.Random(1).choices(string.ascii_letters + string.digits + "-_", k=size - len('{"text":""}'))
    return '{"text":"' + "".join(letters) + '"}'


def zstd_body(raw: bytes) -> str:
    return "zstd:" + base64.b64encode(zstd.compress(raw)).decode()


@given(DOCUMENTS)
@example('{"text":"' + "ä" * (COMPRESSED_FROM_BYTES // 2) + '"}')
def test_a_document_is_read_as_it_was_written_and_never_grows(document: str) -> None:
    body = encode_body(document)
    assert decode_body(body) == document
    assert len(body.encode()) <= len(document.encode())


def test_a_small_document_is_its_own_body() -> None:
    document = '{"text":"' + "x" * (COMPRESSED_FROM_BYTES - 12) + '"}'
    assert len(document) == COMPRESSED_FROM_BYTES - 1
    assert encode_body(document) == document


def test_a_larger_one_is_compressed() -> None:
    document = '{"text":"' + "x" * COMPRESSED_FROM_BYTES + '"}'
    assert len(encode_body(document)) < 100


def test_what_compression_does_not_make_smaller_stays_as_it_is() -> None:
    noise = random.Random(1)
    document = '{"text":"' + "".join(chr(noise.randint(0x20000, 0x2A6D0)) for _ in range(5000)) + '"}'
    base64_of_zstd = base64.b64encode(zstd.compress(document.encode()))
    assert encode_body(document).startswith("zstd:" if len(base64_of_zstd) < len(document.encode()) else "{")
    random_digits = incompressible(20_000)
    assert len(encode_body(random_digits)) <= 20_000


def test_a_document_of_the_largest_size_is_read_and_a_larger_one_is_refused() -> None:
    largest = '{"text":"' + "x" * (MAX_DOCUMENT_BYTES - 11) + '"}'
    assert decode_body(encode_body(largest)) == largest
    with pytest.raises(RequestError) as caught:
        encode_body(largest + " ")
    assert caught.value.code is ErrorCode.TOO_LARGE


@given(st.text())
@example("")
@example("zstd:")
@example("zstd:ä")
@example("zstd:AAAA")
@example("zstd:AAA")
@example("claim:")
@example(zstd_body(b"\xff"))
@example(zstd_body(b'{"text":"' + b"x" * 100 + b'"}')[:-8])
def test_any_other_body_is_refused(body: str) -> None:
    if not body.startswith("{"):
        with pytest.raises(RequestError):
            decode_body(body)


def test_no_more_is_decompressed_than_a_document_may_be() -> None:
    bomb = zstd_body(b"x" * (MAX_DOCUMENT_BYTES + 1))
    assert len(bomb) < 10_000
    with pytest.raises(RequestError):
        decode_body(bomb)


def test_frames_behind_the_first_are_refused() -> None:
    two = zstd.compress(b"{}") + zstd.compress(b"x" * 1000)
    with pytest.raises(RequestError):
        decompress(two)
    assert decompress(compress(b"{}")) == "{}"


def test_a_claim_check_names_what_it_stands_for() -> None:
    name = claimed_name(str(uuid.uuid4()))
    assert parse_claim_check(make_claim_check(name)) == name
    assert parse_claim_check('{"text":"claim:"}') is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "documents/acme/a/b.json",
        "payloads/results/tenants/acme/echo@1:00/etag",
        "payloads/queue/../results/00000000-0000-0000-0000-000000000000",
        "payloads/queue/00000000-0000-0000-0000-000000000000/..",
        "payloads/queue/00000000-0000-0000-0000-000000000000\n",
        "payloads/queue/0000000A-0000-0000-0000-000000000000",
    ],
)
def test_a_claim_check_on_anything_else_is_refused(name: str) -> None:
    with pytest.raises(RequestError):
        parse_claim_check(make_claim_check(name))


@given(st.lists(st.integers(1, INLINE_BYTES), max_size=30))
def test_batches_keep_the_order_and_are_none_larger_than_sqs_takes(sizes: list[int]) -> None:
    batches = list(split_batches(("x" * size, size) for size in sizes))
    assert [size for batch in batches for size in batch] == sizes
    assert all(0 < len(batch) <= BATCH_MESSAGES and sum(batch) <= BATCH_BYTES for batch in batches)
    for batch, following in itertools.pairwise(batches):
        assert len(batch) == BATCH_MESSAGES or sum(batch) + following[0] > BATCH_BYTES - 11 * 1024


def test_two_of_the_largest_bodies_go_in_one_call() -> None:
    body = "x" * INLINE_BYTES
    assert list(split_batches([(body, 1), (body, 2)])) == [[1, 2]]


async def test_without_a_bucket_a_claim_check_is_refused() -> None:
    assert await INLINE_BODIES.unpack(INLINE_BODIES.pack('{"a":1}')) == '{"a":1}'
    with pytest.raises(RequestError):
        await INLINE_BODIES.unpack(make_claim_check(claimed_name(str(uuid.uuid4()))))
