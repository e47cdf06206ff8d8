"""Bodies of queue messages: a plain document, a compressed one, or a claim check for one that exceeds the limit.

SQS accepts 1 MiB per message and per call, and bills each 64 KiB of a call as one request ("Amazon SQS message quotas",
Developer Guide; 1 MiB since August 2025). A body has one of three forms, which its beginning tells:

| body | content |
| --- | --- |
| `{...` | the document: a JSON object of characters that SQS accepts |
| `zstd:...` | base64 of the zstd of the document, if that is smaller |
| `claim:payloads/queue/<uuid>` | the name of the object that holds the zstd of the document |

A sender passes documents to `push.adapters.sqs.sender.SqsSender`, which packs them and makes batches within the limits.
A receiver unpacks each body (`QueueBodies.unpack`) before it parses it, and treats a failure to unpack as a failure to
parse. Both use `push.adapters.s3.claim_checks.ClaimChecks(storage_bucket)`, which makes its S3 client only for a body
that needs one. The lifecycle of `payloads/` removes the objects after the queue's retention time.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from backports import zstd

from push.errors import ErrorCode, RequestError

COMPRESSED_FROM_BYTES = 6 * 1024
"""A batch of ten smaller documents is billed as one request without compression."""

INLINE_BYTES = 500 * 1024
"""The longest body that is not a claim check; two of them, a job and its guardian, fit one call."""

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Larger than any document: the HTTP API accepts bodies of 10 MB, and Lambda of 6 MB."""

BATCH_MESSAGES = 10
BATCH_BYTES = 1024 * 1024

_MESSAGE_BYTES = 1024
"""The size counted for a message beside its body; an upper bound."""

_LEVEL = 3
_COMPRESSED, _CLAIM = "zstd:", "claim:"
_CLAIMED_FOLDER = "payloads/queue/"
_CLAIMED_NAME = re.compile(r"payloads/queue/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Entry = TypeVar("Entry")


def encode_body(document: str) -> str:
    """Return the body for a document, compressed if that makes it smaller.

    Raises:
        RequestError: it exceeds the limit for documents (`too_large`).

    """
    raw = document.encode()
    if len(raw) < COMPRESSED_FROM_BYTES:
        return document
    encoded = _COMPRESSED + base64.b64encode(compress(raw)).decode()
    return encoded if len(encoded) < len(raw) else document


def decode_body(body: str) -> str:
    """Return the document of a body that is not a claim check.

    Raises:
        RequestError: the body is malformed, or the document exceeds the limit.

    """
    if body.startswith(_COMPRESSED):
        try:
            return decompress(base64.b64decode(body.removeprefix(_COMPRESSED), validate=True))
        except (binascii.Error, ValueError) as exc:
            raise RequestError("The body of a queue message is not base64.") from exc
    if not body.startswith("{"):
        raise RequestError("The body of a queue message has an unknown form.")
    return body


def compress(raw: bytes) -> bytes:
    """Compress a document's bytes.

    Raises:
        RequestError: it exceeds the limit for documents (`too_large`).

    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        sentence = f"The document to queue exceeds {MAX_DOCUMENT_BYTES} bytes."
        raise RequestError(sentence, code=ErrorCode.TOO_LARGE)
    return zstd.compress(raw, _LEVEL)


def decompress(compressed: bytes) -> str:
    """Decompress a document, up to the limit for documents.

    Raises:
        RequestError: it is not one zstd frame of UTF-8, or it exceeds the limit.

    """
    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(compressed, MAX_DOCUMENT_BYTES + 1)
        if not decompressor.eof or decompressor.unused_data or len(raw) > MAX_DOCUMENT_BYTES:
            raise RequestError("A compressed document is truncated, too large, or followed by other data.")
        return raw.decode()
    except (zstd.ZstdError, UnicodeError) as exc:
        raise RequestError("A compressed document can't be decompressed.") from exc


def claimed_name(unique: str) -> str:
    """Return the name of the object for a document, given a UUID in its usual form."""
    return _CLAIMED_FOLDER + unique


def make_claim_check(name: str) -> str:
    """Return the claim check for a document stored under a name."""
    return _CLAIM + name


def parse_claim_check(body: str) -> str | None:
    """Return the name in a claim check; None if the body is no claim check.

    Raises:
        RequestError: the name is not that of a queued document; a claim check must not reach other objects.

    """
    if not body.startswith(_CLAIM):
        return None
    name = body.removeprefix(_CLAIM)
    if not _CLAIMED_NAME.fullmatch(name):
        raise RequestError("A claim check does not name a queued document.")
    return name


def split_batches(entries: Iterable[tuple[str, Entry]]) -> Iterator[list[Entry]]:
    """Split entries, each with its body, into as few calls as SQS's limits permit, in order."""
    batch: list[Entry] = []
    size_bytes = 0
    for body, entry in entries:
        entry_bytes = len(body.encode()) + _MESSAGE_BYTES
        if batch and (len(batch) == BATCH_MESSAGES or size_bytes + entry_bytes > BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(entry)
        size_bytes += entry_bytes
    if batch:
        yield batch


class InlineBodies:
    """`push.queues.ports.QueueBodies` without claim checks."""

    def pack(self, document: str) -> str:
        """See `QueueBodies.pack`."""
        return encode_body(document)

    async def unpack(self, body: str) -> str:
        """See `QueueBodies.unpack`."""
        return decode_body(body)


INLINE_BODIES = InlineBodies()
