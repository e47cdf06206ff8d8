"""The compute `documents`: loads JSON documents from S3 by an index, merges them, and runs a JMESPath query.

Functions that only check params import this module too, so clients of AWS are imported at their first use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from typing import Annotated

import msgspec

from push.changes.declaring import changes_of
from push.changes.own_sources import DOCUMENTS, OBJECTS, split_object_key, split_row_key
from push.changes.records import ChangedTag, ChangeRecord
from push.computes import Tenant, compute
from push.errors import ComputeFailedError, ErrorCode
from push.names import Name
from push.settings import ComputeSettings
from push.sources.contexts import Context
from push.sources.documents import (
    MAX_DOCUMENTS,
    Reference,
    check_bounds,
    collection_tag,
    document_tag,
    merge,
    put_in_order,
)
from push.sources.ports import DocumentIndex, DocumentStore

MAX_QUERY_CHARACTERS = 4096
MAX_RESULT_BYTES = 6 * 1024 * 1024
MAX_TAGGED_IDS = 100

_LOAD_SECONDS = 12.0
_THREADS = 32
"""The number of objects that one execution environment loads at once, over all computes."""

_LARGE_BYTES = 8 * 1024 * 1024
"""Loads above this size run one at a time, because parsed JSON takes many times its size in memory."""


class DocumentsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The documents of a collection, all by default, and a query over them."""

    collection: Name
    ids: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=MAX_DOCUMENTS)] | None = None
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUERY_CHARACTERS)] | None = None

    def __post_init__(self) -> None:
        """Refuse a query that is not JMESPath before a job is queued."""
        if self.query is not None:
            # jmespath is loaded only for requests that have a query.
            from push.adapters.jmespath_queries import compile_query

            compile_query(self.query)


def documents_tags(params: DocumentsParams) -> tuple[str, ...]:
    """Return a tag for each document, or the collection's tag if all or many documents are read."""
    if params.ids is None or len(params.ids) > MAX_TAGGED_IDS:
        return (collection_tag(params.collection),)
    return tuple(document_tag(params.collection, document_id) for document_id in dict.fromkeys(params.ids))


@compute(
    ttl=60.0,
    stale_ttl=600.0,
    timeout=20.0,
    tags=documents_tags,
)
async def documents(params: DocumentsParams, context: Context) -> object:
    """Load the documents in parallel and return the query's value over the merged list."""
    return await build(context.settings).read(context.tenant, params)


@changes_of(DOCUMENTS)
def changed_in_index(record: ChangeRecord) -> list[ChangedTag]:
    """Return the tags of the document whose row in the index was written or removed."""
    return _changed_tags(*split_row_key(record, "collection", "id"))


@changes_of(OBJECTS)
def changed_in_store(record: ChangeRecord) -> list[ChangedTag]:
    """Return the tags of the document whose object was written or removed."""
    return _changed_tags(*split_object_key(record))


def _changed_tags(tenant: Tenant, collection: str, document_id: str) -> list[ChangedTag]:
    return [ChangedTag(tag, tenant) for tag in (document_tag(collection, document_id), collection_tag(collection))]


@cache
def build(settings: ComputeSettings) -> DocumentReader:
    """Make the reader of documents, once per execution environment."""
    from push.adapters.aws.clients import make_client
    from push.adapters.dynamodb.documents import DynamoDbDocuments
    from push.adapters.s3.documents import S3Documents

    if not settings.documents_table or not settings.storage_bucket:
        raise ComputeFailedError("This deployment has no documents.", code=ErrorCode.NOT_FOUND)
    loading = ThreadPoolExecutor(_THREADS, thread_name_prefix="documents")
    return DocumentReader(
        index=DynamoDbDocuments(make_client("dynamodb"), settings.documents_table),
        store=S3Documents(
            client=make_client("s3", connections=_THREADS), bucket=settings.storage_bucket, executor=loading
        ),
        loading=loading,
        evaluating=ThreadPoolExecutor(1, thread_name_prefix="query"),
    )


class DocumentReader:
    """Reads documents for one execution environment.

    Args:
        index: finds the objects; runs on `loading`.
        store: loads the objects.
        loading: threads that wait for sources.
        evaluating: the one thread that parses and queries; more threads would only share the processor.

    """

    def __init__(self, *, index: DocumentIndex, store: DocumentStore, loading: Executor, evaluating: Executor) -> None:
        self._index = index
        self._store = store
        self._loading = loading
        self._evaluating = evaluating
        self._large = asyncio.Lock()

    async def read(self, tenant: Tenant, params: DocumentsParams) -> msgspec.Raw:
        """Return the value as JSON.

        Raises:
            ComputeFailedError: a document is missing, the documents are too large, or the query does not fit them.
            TransientError: a source did not answer, or throttled the reads.

        """
        loop = asyncio.get_running_loop()
        references = await loop.run_in_executor(self._loading, self._find, tenant, params)
        is_large = sum(reference.size_bytes for reference in references) > _LARGE_BYTES
        async with self._large if is_large else nullcontext():
            contents = await self._store.load(references, _LOAD_SECONDS)
            return await loop.run_in_executor(self._evaluating, evaluate, references, contents, params.query)

    def _find(self, tenant: Tenant, params: DocumentsParams) -> list[Reference]:
        if params.ids is None:
            references = self._index.list_all(tenant, params.collection, limit=MAX_DOCUMENTS + 1)
        else:
            ids = list(dict.fromkeys(params.ids))
            references = put_in_order(params.collection, ids, self._index.find(tenant, params.collection, ids))
        check_bounds(tenant, references)
        return references


def evaluate(references: Sequence[Reference], contents: Sequence[bytes], query: str | None) -> msgspec.Raw:
    """Merge documents and return the query's value, or the whole list without a query, as JSON.

    Raises:
        ComputeFailedError: a document is not JSON, the query does not fit, or the value is too large.

    """
    value: object = merge(references, contents)
    if query is not None:
        from push.adapters.jmespath_queries import compile_query, run_query

        value = run_query(compile_query(query), value)
    encoded = _encode(value)
    if len(encoded) > MAX_RESULT_BYTES:
        raise ComputeFailedError(
            f"The result has {len(encoded)} bytes; the maximum is {MAX_RESULT_BYTES}. Narrow it with `ids` or `query`.",
            code=ErrorCode.TOO_LARGE,
        )
    return msgspec.Raw(encoded)


def _encode(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ComputeFailedError("The query's value cannot be written as JSON.") from exc
