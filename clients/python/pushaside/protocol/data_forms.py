"""The forms of a result's data: JSON, gzip in base64, and JSON behind a link."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from typing import Any

import orjson

from pushaside.errors import TooLargeError, UnreadableResultError

ENCODING = "gzip+base64"
"""The only encoding of data in a message: base64 of gzip of its JSON."""

_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's header and checksum."""

_ETAG = re.compile("[0-9a-f]{24}")


def decode_data(text: object, encoding: object, max_bytes: int) -> Any:  # noqa: ANN401  (the compute's JSON)
    """Decode the data of a message.

    >>> decode_data("H4sIAAAAAAACA4s21DGKBQC/UIsIBQAAAA==", "gzip+base64", max_bytes=100)
    [1, 2]

    Raises:
        TooLargeError: the JSON exceeds `max_bytes`.
        UnreadableResultError: the data is damaged, or its encoding is unknown.

    """
    if encoding != ENCODING or not isinstance(text, str):
        raise UnreadableResultError(f"The result has the encoding {encoding!r}; only {ENCODING} was accepted.")
    try:
        compressed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UnreadableResultError(f"The result is damaged: {exc}.") from exc
    return parse_data(gunzip(compressed, max_bytes))


def gunzip(compressed: bytes, max_bytes: int) -> bytes:
    """Decompress one member of gzip, without holding more than `max_bytes`.

    Raises:
        TooLargeError: the data exceeds `max_bytes`.
        UnreadableResultError: the gzip is damaged, or something follows it.

    """
    stream = zlib.decompressobj(_GZIP)
    try:
        data = stream.decompress(compressed, max_bytes + 1)
    except zlib.error as exc:
        raise UnreadableResultError(f"The result is damaged: {exc}.") from exc
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    if not stream.eof or stream.unused_data:
        raise UnreadableResultError("The result is damaged: its gzip does not end where it should.")
    return data


def parse_data(data: bytes) -> Any:  # noqa: ANN401  (the compute's JSON)
    """Parse the JSON of a result's data.

    Raises:
        UnreadableResultError: the data is not JSON.

    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise UnreadableResultError(f"The data of the result is not JSON: {exc}.") from exc


def make_etag(data: bytes) -> str:
    """Return the etag of data: a hash of its JSON.

    >>> make_etag(b"[1,2]")
    '49a64717d5d4cb19952e6eac'
    """
    return hashlib.sha256(data).hexdigest()[:24]


def check_etag(data: bytes, etag: str) -> None:
    """Check data against its etag; an etag that is no such hash matches everything.

    Raises:
        UnreadableResultError: the data has another etag.

    """
    if _ETAG.fullmatch(etag) and make_etag(data) != etag:
        raise UnreadableResultError(f"The data that was fetched is not what the etag {etag} names.")


def too_large(max_bytes: int) -> TooLargeError:
    """Return the error for a result that exceeds the client's limit."""
    return TooLargeError(f"The result exceeds the client's limit of {max_bytes} bytes; request less of it.")
