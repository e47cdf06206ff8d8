"""Documents: JSON objects of a tenant's collection, found by an index and merged into one list."""

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
    """Where a document is; the size is as the index has it."""

    document_id: str
    object_key: str
    size_bytes: int


def object_prefix(tenant: str) -> str:
    """Return what the keys of all objects of a tenant's documents begin with."""
    return f"documents/{tenant}/"


def object_key(tenant: str, collection: str, document_id: str) -> str:
    """Return the key under which a document is stored."""
    return f"{object_prefix(tenant)}{collection}/{document_id}.json"


def partition(tenant: str, collection: str) -> str:
    """Return a collection's name in the index."""
    return f"{tenant}/{collection}"


def collection_tag(collection: str) -> str:
    """Name all documents of a collection as what a result is made from."""
    return f"documents:{collection}"


def document_tag(collection: str, document_id: str) -> str:
    """Name one document as what a result is made from."""
    return f"documents:{collection}/{document_id}"


def put_in_order(collection: str, ids: Sequence[str], found: Sequence[Reference]) -> list[Reference]:
    """Return references in the order in which they were asked for.

    Raises:
        ComputeFailedError: some were not found (`not_found`).

    """
    by_id = {reference.document_id: reference for reference in found}
    if missing := [document_id for document_id in ids if document_id not in by_id]:
        others = f" and {len(missing) - 1} others that were asked for" if len(missing) > 1 else ""
        sentence = f"There is no document {missing[0]!r}{others} in the collection {collection!r}."
        raise ComputeFailedError(sentence, code=ErrorCode.NOT_FOUND)
    return [by_id[document_id] for document_id in ids]


def check_bounds(tenant: str, references: Sequence[Reference]) -> None:
    """Check what is about to be loaded.

    Raises:
        ComputeFailedError: it is too many documents or too many bytes (`too_large`), or not the tenant's own.

    """
    if len(references) > MAX_DOCUMENTS:
        raise ComputeFailedError(
            f"The collection has over {MAX_DOCUMENTS} documents; name some by `ids`.", code=ErrorCode.TOO_LARGE
        )
    check_bytes(sum(reference.size_bytes for reference in references))
    # Names can't hold a `/`; this holds even if the index is wrong.
    if not all(reference.object_key.startswith(object_prefix(tenant)) for reference in references):
        raise ComputeFailedError("The index names an object of somebody else.", code=ErrorCode.FORBIDDEN)


def check_bytes(size_bytes: int) -> None:
    """Check the size of all documents together.

    Raises:
        ComputeFailedError: it is too large (`too_large`).

    """
    if size_bytes > MAX_DOCUMENTS_BYTES:
        raise ComputeFailedError(
            f"The documents have over {MAX_DOCUMENTS_BYTES} bytes together; name fewer by `ids`.",
            code=ErrorCode.TOO_LARGE,
        )


def merge(references: Sequence[Reference], documents: Sequence[bytes]) -> list[Any]:
    """Merge documents into one list: of an array its elements, anything else as it is.

    Raises:
        ComputeFailedError: one is not JSON.

    """
    merged: list[Any] = []
    for reference, document in zip(references, documents, strict=True):
        try:
            value = msgspec.json.decode(document)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
            raise ComputeFailedError(f"The document {reference.document_id!r} is not JSON.") from exc
        if isinstance(value, list):
            merged.extend(value)
        else:
            merged.append(value)
    return merged
