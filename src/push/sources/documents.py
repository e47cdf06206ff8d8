"""Documents: JSON objects of a tenant's collection, found through an index and merged into one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from push.errors import ComputeFailedError, ErrorCode

MAX_DOCUMENTS = 1000
MAX_DOCUMENTS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """The location of a document; the size is the index's."""

    document_id: str
    object_key: str
    size_bytes: int


def object_prefix(tenant: str) -> str:
    """Return the prefix of the object keys of a tenant's documents."""
    return f"documents/{tenant}/"


def object_key(tenant: str, collection: str, document_id: str) -> str:
    """Return the object key of a document."""
    return f"{object_prefix(tenant)}{collection}/{document_id}.json"


def partition(tenant: str, collection: str) -> str:
    """Return a collection's partition key in the index."""
    return f"{tenant}/{collection}"


def collection_tag(collection: str) -> str:
    """Return the tag of all documents of a collection."""
    return f"documents:{collection}"


def document_tag(collection: str, document_id: str) -> str:
    """Return the tag of one document."""
    return f"documents:{collection}/{document_id}"


def put_in_order(collection: str, ids: Sequence[str], found: Sequence[Reference]) -> list[Reference]:
    """Return references in the order of the requested ids.

    Raises:
        ComputeFailedError: a document was not found (`not_found`).

    """
    by_id = {reference.document_id: reference for reference in found}
    if missing := [document_id for document_id in ids if document_id not in by_id]:
        others = f" and {len(missing) - 1} more of the requested documents" if len(missing) > 1 else ""
        sentence = f"The collection {collection!r} lacks the document {missing[0]!r}{others}."
        raise ComputeFailedError(sentence, code=ErrorCode.NOT_FOUND)
    return [by_id[document_id] for document_id in ids]


def check_bounds(tenant: str, references: Sequence[Reference]) -> None:
    """Check the documents that are about to be loaded.

    Raises:
        ComputeFailedError: there are too many documents or bytes (`too_large`), or one is another tenant's
            (`forbidden`).

    """
    if len(references) > MAX_DOCUMENTS:
        raise ComputeFailedError(
            f"The collection has more than {MAX_DOCUMENTS} documents. Select some with `ids`.", code=ErrorCode.TOO_LARGE
        )
    check_bytes(sum(reference.size_bytes for reference in references))
    # Names can't hold a `/`; this holds even if the index is wrong.
    if not all(reference.object_key.startswith(object_prefix(tenant)) for reference in references):
        raise ComputeFailedError("The index names an object of another tenant.", code=ErrorCode.FORBIDDEN)


def check_bytes(size_bytes: int) -> None:
    """Check the size of all documents together.

    Raises:
        ComputeFailedError: they exceed the limit (`too_large`).

    """
    if size_bytes > MAX_DOCUMENTS_BYTES:
        raise ComputeFailedError(
            f"The documents exceed {MAX_DOCUMENTS_BYTES} bytes together. Select fewer with `ids`.",
            code=ErrorCode.TOO_LARGE,
        )


def merge(references: Sequence[Reference], documents: Sequence[bytes]) -> list[Any]:
    """Merge documents into one list: an array adds its elements, any other value adds itself.

    Raises:
        ComputeFailedError: a document is not valid JSON.

    """
    merged: list[Any] = []
    for reference, document in zip(references, documents, strict=True):
        try:
            value = msgspec.json.decode(document)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
            raise ComputeFailedError(f"The document {reference.document_id!r} is not valid JSON.") from exc
        if isinstance(value, list):
            merged.extend(value)
        else:
            merged.append(value)
    return merged
