"""Choice of the form in which a large result is sent.

The data travels as plain JSON, or as gzip+base64 if the client accepts it and it is smaller. A result that still
exceeds a message is sent as a link if its payload is in the bucket, and as chunks otherwise. Size decides what an
answer costs: see docs/cost.md.
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
"""Smaller data is sent as plain JSON: only outbound transfer is billed by less than 32 KB."""

GZIP = "gzip"
"""The word that clients list in `accept`, and the `accept` of a waiter whose request listed it."""

IDENTITY = "identity"
"""The `accept` of a waiter whose request listed encodings without gzip (RFC 9110, 8.4.1)."""

_LEVEL = 6
_GZIP_FORMAT = 31
"""zlib's `wbits` for a gzip header with a time of 0, so that the same data gives the same text."""

_BLOCK_BYTES = 64 * 1024
_LINKED_RATHER_BYTES = MAX_MESSAGE_BYTES * 3 // 4
"""Data that compresses to more than this exceeds a message in base64, so it is sent as a link if possible."""


def is_large(result: Result) -> bool:
    """Return whether a result is large enough to choose its form."""
    return len(result.data) >= LARGE_FROM_BYTES and result.status is Status.VALUE


def parse_accept(accept: tuple[str, ...] | None) -> str:
    """Return GZIP or IDENTITY for a list of encodings; an empty string if there was no list (None)."""
    if accept is None:
        return ""
    return GZIP if GZIP in accept else IDENTITY


def encode_data(data: bytes) -> str:
    """Return the base64 of gzipped JSON; empty if it is no smaller, or if a link will be sent anyway."""
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
    """Render a result in the form that suits its size: one message, or the chunks of one.

    Args:
        request_id: the id of the request.
        key: the key of the result.
        result: a value, not a failure.
        cache: the state of the cache entry.
        now_ms: the time now, in milliseconds since 1970.
        encoded: what `encode_data` returned; empty if the client does not accept gzip.
        link: returns a URL of the payload, which exists from LINK_FROM_BYTES of data on.

    """
    head = render_result_head(request_id, key, result, cache, now_ms)
    return render_large_data(request_id, head, result.data, encoded=encoded, link=link)


def render_large_data(request_id: str, head: str, data: bytes, *, encoded: str, link: Callable[[], str]) -> list[str]:
    """Render a message with data in the form that suits its size: one message, or the chunks of one.

    Args:
        request_id: the id of the message that is answered.
        head: the answer up to its data, without the closing brace.
        data: JSON.
        encoded: what `encode_data` returned; empty if the client does not accept gzip.
        link: returns a URL of the payload, which exists from LINK_FROM_BYTES of data on.

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
    """Return whether a message is within API Gateway's limit, counted in bytes of UTF-8."""
    if len(message) > MAX_MESSAGE_BYTES or message.isascii():
        return len(message) <= MAX_MESSAGE_BYTES
    return len(message.encode()) <= MAX_MESSAGE_BYTES
