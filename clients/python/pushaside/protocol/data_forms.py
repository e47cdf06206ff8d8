"""The forms in which the data of a result comes: as JSON, as gzip in base64, and as what a link leads to."""

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
"""The one encoding of data in a message: base64 of gzip of its JSON."""

_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's header and checksum."""

_ETAG = re.compile("[0-9a-f]{24}")


def decode_data(text: object, encoding: object, max_bytes: int) -> Any:  # noqa: ANN401  (JSON of the compute's making)
    """Read data that came encoded in a message.

    >>> decode_data("H4sIAAAAAAACA4s21DGKBQC/UIsIBQAAAA==", "gzip+base64", max_bytes=100)
    [1, 2]

    Raises:
        TooLargeError: it has more than `max_bytes`.
        UnreadableResultError: it is damaged, or the encoding is not known.

    """
    if encoding != ENCODING or not isinstance(text, str):
        raise UnreadableResultError(f"The result came in a form that was not asked for: {encoding!r}.")
    try:
        compressed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UnreadableResultError(f"The result came damaged: {exc}.") from exc
    return parse_data(gunzip(compressed, max_bytes))


def gunzip(compressed: bytes, max_bytes: int) -> bytes:
    """Decompress one member of gzip, of which no more than `max_bytes` are ever held.

    Raises:
        TooLargeError: there is more in it.
        UnreadableResultError: it is damaged, or something follows.

    """
    stream = zlib.decompressobj(_GZIP)
    try:
        data = stream.decompress(compressed, max_bytes + 1)
    except zlib.error as exc:
        raise UnreadableResultError(f"The result came damaged: {exc}.") from exc
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    if not stream.eof or stream.unused_data:
        raise UnreadableResultError("The result came damaged: its gzip does not end where it should.")
    return data


def parse_data(data: bytes) -> Any:  # noqa: ANN401  (JSON of the compute's making)
    """Read the JSON of data.

    Raises:
        UnreadableResultError: it is not JSON.

    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise UnreadableResultError(f"The data of the result is not JSON: {exc}.") from exc


def make_etag(data: bytes) -> str:
    """Hash the JSON of data to its etag.

    >>> make_etag(b"[1,2]")
    '49a64717d5d4cb19952e6eac'
    """
    return hashlib.sha256(data).hexdigest()[:24]


def check_etag(data: bytes, etag: str) -> None:
    """Check that data is what an etag names; etags that are no hash of this kind tell nothing.

    Raises:
        UnreadableResultError: it is something else.

    """
    if _ETAG.fullmatch(etag) and make_etag(data) != etag:
        raise UnreadableResultError(f"The data that was fetched is not what the etag {etag} names.")


def too_large(max_bytes: int) -> TooLargeError:
    """Make the error for a result that is larger than this client takes."""
    return TooLargeError(f"The result has more than the {max_bytes} bytes that this client takes; ask for less of it.")
