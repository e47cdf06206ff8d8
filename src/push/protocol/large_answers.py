"""Large answers: which of its forms a result is sent in.

Plain JSON, or gzip+base64 if the client reads it and that is smaller. What is over a message even so is sent as a
link if its payload is in the bucket, and in chunks otherwise. Size decides what an answer costs: see docs/cost.md.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable

from push.keys import Key
from push.protocol.chunks import split_message
from push.protocol.frames import (
    MAX_MESSAGE_BYTES,
    CacheState,
    render_result_head,
    render_with_data,
    render_with_encoded,
    render_with_link,
)
from push.protocol.payloads import LINK_FROM_BYTES
from push.results import Result, Status

LARGE_FROM_BYTES = 4096
"""Smaller data are sent as they are: nothing is billed by less than 32 KB but the bytes that leave AWS."""

GZIP = "gzip"
"""What clients list in `accept`, and a waiter's `accept` if its request did."""

IDENTITY = "identity"
"""A waiter's `accept` if its request listed what it reads, and gzip was not in it (RFC 9110, 8.4.1)."""

_LEVEL = 6
_GZIP_FORMAT = 31
"""zlib's `wbits` for gzip's header, with a time of 0: the same data are the same text."""

_BLOCK_BYTES = 64 * 1024
_LINKED_RATHER_BYTES = MAX_MESSAGE_BYTES * 3 // 4
"""Data that compress to more than this do not fit a message in base64, and are linked to if they can be."""


def is_large(result: Result) -> bool:
    """Say whether it matters in which form a result is sent."""
    return len(result.data) >= LARGE_FROM_BYTES and result.status is Status.VALUE


def parse_accept(accept: tuple[str, ...] | None) -> str:
    """Return what a list of encodings, None if there was none, says: GZIP, IDENTITY or nothing."""
    if accept is None:
        return ""
    return GZIP if GZIP in accept else IDENTITY


def encode_data(data: bytes) -> str:
    """Return base64 of gzip of JSON; empty if it is no smaller, or if a link will be sent anyway."""
    can_be_linked = len(data) >= LINK_FROM_BYTES
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    blocks, size_bytes = [], 0
    for start in range(0, len(data), _BLOCK_BYTES):
        blocks.append(compressor.compress(data[start : start + _BLOCK_BYTES]))
        size_bytes += len(blocks[-1])
        if can_be_linked and size_bytes > _LINKED_RATHER_BYTES:
            return ""
    text = binascii.b2a_base64(b"".join((*blocks, compressor.flush())), newline=False)
    return text.decode() if len(text) < len(data) else ""


def render_large_result(
    request_id: str,
    key: Key,
    result: Result,
    cache: CacheState,
    now_ms: int,
    *,
    encoded: str,
    link: Callable[[], str],
) -> list[str]:
    """Write a result in the form that suits its size: one message, or the chunks of one.

    Args:
        request_id: the request's.
        key: the result's.
        result: a value.
        cache: where it came from.
        now_ms: the clock, in milliseconds since 1970.
        encoded: what `encode_data` returned; empty if the client does not read it.
        link: makes a URL of the payload, which is there from LINK_FROM_BYTES of data on.

    """
    head = render_result_head(request_id, key, result, cache, now_ms)
    return render_large_data(request_id, head, result.data, encoded=encoded, link=link)


def render_large_data(request_id: str, head: str, data: bytes, *, encoded: str, link: Callable[[], str]) -> list[str]:
    """Write a message that carries data, in the form that suits their size: one message, or the chunks of one.

    Args:
        request_id: the id of what is answered.
        head: the message up to its data, without the brace that ends it.
        data: JSON.
        encoded: what `encode_data` returned; empty if the client does not read it.
        link: makes a URL of the payload, which is there from LINK_FROM_BYTES of data on.

    """
    can_be_linked = len(data) >= LINK_FROM_BYTES
    if encoded or not can_be_linked:
        message = render_with_encoded(head, encoded) if encoded else render_with_data(head, data)
        if fits_message(message):
            return [message]
        if not can_be_linked:
            return split_message(request_id, message)
    return [render_with_link(head, link())]


def fits_message(message: str) -> bool:
    """Say whether API Gateway takes a message: bytes of UTF-8 count."""
    if len(message) > MAX_MESSAGE_BYTES or message.isascii():
        return len(message) <= MAX_MESSAGE_BYTES
    return len(message.encode()) <= MAX_MESSAGE_BYTES
