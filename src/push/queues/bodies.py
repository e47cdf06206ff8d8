"""Bodies of queue messages: a document as it is, compressed, or, past the queue's limit, a claim check on it.

SQS takes 1 MiB a message and 1 MiB a call, and bills every 64 KiB of a call as one request ("Amazon SQS message
quotas", Developer Guide; 1 MiB since August 2025). So a body is one of three, told apart by how it begins:

| body | what it is |
| --- | --- |
| `{...` | the document: a JSON object of characters that SQS takes |
| `zstd:...` | base64 of the zstd of the document, where that is smaller |
| `claim:payloads/queue/<uuid>` | the name of the object in the bucket that holds the zstd of the document |

A sender hands documents to `push.adapters.sqs.sender.SqsSender`, which packs them and makes batches that SQS takes. A
receiver unpacks each body (`QueueBodies.unpack`) before it parses it, and treats an error of unpacking as an error of
parsing. Both are given `push.adapters.s3.claim_checks.ClaimChecks(storage_bucket)`, which makes its S3 client only for
a body that needs one. The lifecycle of `payloads/` removes objects, later than the queue forgets the message.
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
"""Ten smaller ones, a batch, are billed as one request as they are."""

INLINE_BYTES = 500 * 1024
"""The longest body that is not a claim check: two of them, a job and its guardian, fit one call."""

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""No document is larger: the HTTP API takes bodies of 10 MB, and Lambda of 6 MB."""

BATCH_MESSAGES = 10
BATCH_BYTES = 1024 * 1024

_MESSAGE_BYTES = 1024
"""What a message is counted as beside its body: more than it can be."""

_LEVEL = 3
_COMPRESSED, _CLAIM = "zstd:", "claim:"
_CLAIMED_FOLDER = "payloads/queue/"
_CLAIMED_NAME = re.compile(r"payloads/queue/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Entry = TypeVar("Entry")


def encode_body(document: str) -> str:
    """Return a document as a body, compressed if that pays.

    Raises:
        RequestError: it is larger than a document may be (`too_large`).

    """
    raw = document.encode()
    if len(raw) < COMPRESSED_FROM_BYTES:
        return document
    encoded = _COMPRESSED + base64.b64encode(compress(raw)).decode()
    return encoded if len(encoded) < len(raw) else document


def decode_body(body: str) -> str:
    """Return the document of a body that is not a claim check.

    Raises:
        RequestError: it is garbage, or larger than a document may be.

    """
    if body.startswith(_COMPRESSED):
        try:
            return decompress(base64.b64decode(body.removeprefix(_COMPRESSED), validate=True))
        except (binascii.Error, ValueError) as exc:
            raise RequestError("The body of a queue message is not base64.") from exc
    if not body.startswith("{"):
        raise RequestError("The body of a queue message is none of those that are known.")
    return body


def compress(raw: bytes) -> bytes:
    """Compress a document's bytes.

    Raises:
        RequestError: it is larger than a document may be (`too_large`).

    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        sentence = f"What is to be queued is larger than {MAX_DOCUMENT_BYTES} bytes."
        raise RequestError(sentence, code=ErrorCode.TOO_LARGE)
    return zstd.compress(raw, _LEVEL)


def decompress(compressed: bytes) -> str:
    """Return a compressed document; no more is decompressed than a document may be.

    Raises:
        RequestError: it is not one frame of zstd with UTF-8 in it, or larger than a document may be.

    """
    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(compressed, MAX_DOCUMENT_BYTES + 1)
        if not decompressor.eof or decompressor.unused_data or len(raw) > MAX_DOCUMENT_BYTES:
            raise RequestError("A compressed document is cut off, too large, or not alone.")
        return raw.decode()
    except (zstd.ZstdError, UnicodeError) as exc:
        raise RequestError("A compressed document can't be read.") from exc


def claimed_name(unique: str) -> str:
    """Return the name of the object that holds a document, of a UUID in its usual form."""
    return _CLAIMED_FOLDER + unique


def make_claim_check(name: str) -> str:
    """Return the body that stands for a document kept under a name."""
    return _CLAIM + name


def parse_claim_check(body: str) -> str | None:
    """Return the name in a claim check; None if the body is no claim check.

    Raises:
        RequestError: the name is not of a document of a queue: whatever else is in the bucket is not for queues.

    """
    if not body.startswith(_CLAIM):
        return None
    name = body.removeprefix(_CLAIM)
    if not _CLAIMED_NAME.fullmatch(name):
        raise RequestError("A claim check does not name a document of a queue.")
    return name


def split_batches(entries: Iterable[tuple[str, Entry]]) -> Iterator[list[Entry]]:
    """Split what is to be sent, each with its body, into as few calls as SQS takes it in, in its order."""
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
    """`push.ports.QueueBodies` where no document needs a claim check."""

    def pack(self, document: str) -> str:
        """See `QueueBodies.pack`."""
        return encode_body(document)

    async def unpack(self, body: str) -> str:
        """See `QueueBodies.unpack`."""
        return decode_body(body)


INLINE_BODIES = InlineBodies()
