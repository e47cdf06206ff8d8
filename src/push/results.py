"""The stored form of results: a short binary header, then the JSON that goes to the caller unchanged.

With the header, a reader judges a result and a script marks it stale without touching the JSON. Times are milliseconds
since 1970 in UTC; numbers are big-endian.

| offset | bytes | field |
| --- | --- | --- |
| 0 | 2 | `PA` |
| 2 | 1 | format, 1 |
| 3 | 1 | status: 0 a value, 1 a failure (the JSON is the wire's error object) |
| 4 | 1 | 1 once a change of a source made it stale; until then 2 if its reads may lag, else 0 |
| 5 | 1 | number of tags |
| 6 | 2 | bytes of tags |
| 8 | 8 | source version |
| 16 | 8 | computed at |
| 24 | 8 | fresh until |
| 32 | 8 | stale until |
| 40 | 4 | cost of the compute, in microseconds |
| 44 | 12 | etag |
| 56 | 1 | codec: 0 none, 1 zstd |
| 57 | | tags, each with its length in one byte before it; then the JSON, encoded |
"""

from __future__ import annotations

import enum
import hashlib
import math
import struct

import msgspec
from backports import zstd

from push.errors import PushasideError

_HEADER = struct.Struct(">2sBBBBHQQQQI12s")
_MAGIC = b"PA"
_FORMAT = 1
HEADER_BYTES = _HEADER.size
"""Size of the fixed header, which distinguishes one stored result from the next. The codec follows it."""

COMPRESSED_FROM_BYTES = 1024
"""Smaller reads cost the same whatever their size; docs/caching.md explains this and the choice of the codec."""

MAX_DATA_BYTES = 8 * 1024 * 1024
"""The most that a stored result may decompress to; computes make less."""

_INVALIDATED, _MAY_LAG = 1, 2
_RAW, _ZSTD = b"\x00", b"\x01"
_LEVEL = 3


class CorruptResultError(PushasideError):
    """Stored bytes are not a result of this format; readers treat the result as absent."""


class Status(enum.IntEnum):
    """The kind of a result: a value or a failure."""

    VALUE = 0
    FAILURE = 1


class Result(msgspec.Struct, frozen=True):
    """The value under a key.

    `data` is JSON, ready for the wire: the value, or for a failure the error object. If `may_lag`, the run read an
    index that may not have shown a change yet that was told before. Subscribers are not left with such a result.
    """

    status: Status
    computed_at_ms: int
    fresh_until_ms: int
    stale_until_ms: int
    etag: str
    data: bytes
    cost_us: int = 0
    source_version: int = 0
    tags: tuple[str, ...] = ()
    is_invalidated: bool = False
    may_lag: bool = False


def make_etag(data: bytes) -> str:
    """Return the etag of JSON: the first 96 bits of its SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()[:24]


def is_storable(tags: tuple[str, ...], source_version: int) -> bool:
    """Return whether the header has room: 255 tags of 255 bytes, 65,535 bytes together, and a 64-bit version."""
    try:
        block = _serialize_tags(tags)
    except (TypeError, ValueError):
        return False
    return len(tags) <= 0xFF and len(block) <= 0xFFFF and 0 <= source_version < 2**64


def serialize_result(result: Result) -> bytes:
    """Serialize a result for storage; its tags and source version must be storable."""
    codec, encoded = _compress(result.data)
    return b"".join((serialize_header(result), codec, _serialize_tags(result.tags), encoded))


def _compress(data: bytes) -> tuple[bytes, bytes]:
    if len(data) >= COMPRESSED_FROM_BYTES:
        compressed = zstd.compress(data, _LEVEL)
        if len(compressed) < len(data):
            return _ZSTD, compressed
    return _RAW, data


def _decompress(codec: bytes, encoded: bytes) -> bytes:
    if codec == _RAW:
        return encoded
    try:
        if codec == _ZSTD and _decompressed_size(encoded) <= MAX_DATA_BYTES:
            return zstd.decompress(encoded)
    except zstd.ZstdError as exc:
        raise CorruptResultError("A stored result can't be decompressed.") from exc
    raise CorruptResultError("A stored result has an unknown codec or exceeds the size limit.")


def serialize_header(result: Result) -> bytes:
    """Serialize the fixed header alone, which distinguishes one stored result from the next."""
    return _HEADER.pack(
        _MAGIC,
        _FORMAT,
        result.status,
        _INVALIDATED if result.is_invalidated else _MAY_LAG if result.may_lag else 0,
        len(result.tags),
        len(_serialize_tags(result.tags)),
        result.source_version,
        result.computed_at_ms,
        result.fresh_until_ms,
        result.stale_until_ms,
        min(result.cost_us, 0xFFFFFFFF),
        bytes.fromhex(result.etag),
    )


def _serialize_tags(tags: tuple[str, ...]) -> bytes:
    return b"".join(bytes((len(tag),)) + tag for tag in map(str.encode, tags))


def _decompressed_size(encoded: bytes) -> float:
    """Return the size that the frame declares; infinity if it declares none."""
    size = zstd.get_frame_info(encoded).decompressed_size
    return math.inf if size is None else size


def parse_result(stored: bytes) -> Result:
    """Parse a stored result.

    Raises:
        CorruptResultError: the bytes are not a result of this format.

    """
    if len(stored) < HEADER_BYTES or not stored.startswith(_MAGIC) or stored[2] != _FORMAT:
        raise CorruptResultError("A stored result has a format that this version does not read.")
    try:
        return _parse(stored)
    except (ValueError, IndexError) as exc:
        raise CorruptResultError("A stored result is damaged.") from exc


def _parse(stored: bytes) -> Result:
    (_, _, status, mark, tag_count, tag_bytes, version, computed, fresh, stale, cost, etag) = _HEADER.unpack_from(
        stored
    )
    codec, tags, data = HEADER_BYTES, HEADER_BYTES + 1, HEADER_BYTES + 1 + tag_bytes
    return Result(
        status=Status(status),
        computed_at_ms=computed,
        fresh_until_ms=fresh,
        stale_until_ms=stale,
        etag=etag.hex(),
        data=_decompress(stored[codec:tags], stored[data:]),
        cost_us=cost,
        source_version=version,
        tags=_parse_tags(stored[tags:data], tag_count),
        is_invalidated=mark == _INVALIDATED,
        may_lag=mark == _MAY_LAG,
    )


def _parse_tags(block: bytes, count: int) -> tuple[str, ...]:
    tags = []
    position = 0
    for _ in range(count):
        end = position + 1 + block[position]
        tags.append(block[position + 1 : end].decode())
        position = end
    return tuple(tags)
