"""Ports of the sources: tables and buckets, scores, boards and documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from push.computes import Tenant
from push.sources.boards import Entry, View
from push.sources.documents import Reference
from push.sources.raised_tags import RaisedTags


class Scores(Protocol):
    """The durable store of all boards. Methods block."""

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        """Return the score of every member.

        Raises ComputeFailedError if there are more than `MAX_MEMBERS`, SourceThrottledError or TransientError.
        """


class BoardCache(Protocol):
    """Boards cached for reading. Every method may raise CacheUnavailableError."""

    async def read(self, tenant: Tenant, board: str, view: View) -> list[Entry] | None:
        """Return part of a board; None if the board is absent, an empty list if the member is absent."""

    async def begin_rebuild(self, tenant: Tenant, board: str) -> str | None:
        """Take the right to rebuild an absent board, atomically; None if it exists or another worker has the right."""

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> None:
        """Store the board if the right is still held, and release the right, in one step.

        Without scores nothing is stored. Updates made since the rebuild began are applied on top.
        """

    async def update(self, tenant: Tenant, board: str, scores: Mapping[str, float | None]) -> None:
        """Set the scores of members, or remove them with None, if the board exists or is being rebuilt.

        Idempotent. The caller applies changes of one member in order.
        """


class DocumentIndex(Protocol):
    """The index of a collection's documents and their objects. Methods block."""

    def find(self, tenant: Tenant, collection: str, ids: Sequence[str]) -> list[Reference]:
        """Return up to `MAX_DOCUMENTS` documents by id, in any order, omitting absent ones.

        Raises SourceThrottledError or TransientError.
        """

    def list_all(self, tenant: Tenant, collection: str, limit: int) -> list[Reference]:
        """Return the first documents of a collection in order of id. Raises SourceThrottledError or TransientError."""


class DocumentStore(Protocol):
    """The store of documents."""

    async def load(self, references: Sequence[Reference], seconds: float) -> list[bytes]:
        """Return the documents in the order of their references, within some seconds.

        Raises ComputeFailedError if a document is absent or all are too large together, SourceThrottledError if the
        store throttles until the time is over, or TransientError.
        """


class ChangeSender(Protocol):
    """The sender to the queue of changes."""

    def send(self, raised: RaisedTags) -> None:
        """Send tags that a caller raised; they are durable when it returns. Raises QueueUnavailableError."""


Value = Any
"""A plain value of a row: str, int, float, bool, None, bytes, a list, a dict, or a set of str, numbers or bytes."""

Row = dict[str, Value]


class TableReader(Protocol):
    """Reads one DynamoDB table as plain values, consistently where DynamoDB allows it.

    Every method raises ComputeFailedError if the table or an index refuses the read, SourceThrottledError if DynamoDB
    throttles it, and TransientError if DynamoDB does not answer.
    """

    async def get(self, key: Mapping[str, Value]) -> Row | None:
        """Return the row of a whole primary key; None if there is none."""

    async def get_many(self, keys: Sequence[Mapping[str, Value]]) -> list[Row | None]:
        """Return the rows of any number of keys, in their order, with None for an absent row."""

    async def query(
        self,
        partition: Mapping[str, Value],
        *,
        index: str | None = None,
        begins_with: Mapping[str, Value] | None = None,
        between: Mapping[str, tuple[Value, Value]] | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """Return the rows of a partition in order of the sort key, the last first if `newest_first`.

        `partition` names the partition key and its value. `begins_with` and `between` (both ends included) name the
        sort key; at most one of them is given.
        """

    async def scan(self) -> list[Row]:
        """Return all rows of the table, in no order."""


class BucketReader(Protocol):
    """Reads one S3 bucket. Backs off when S3 throttles.

    Every method raises ComputeFailedError if S3 refuses the read, SourceThrottledError if S3 throttles until the time
    is over, and TransientError if S3 does not answer.
    """

    async def get(self, key: str) -> bytes | None:
        """Return an object's content; None if there is none."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the contents of any number of objects, in their order, with None for an absent object."""

    async def list(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with a prefix, in order."""


class Sources(Protocol):
    """The tables and buckets of an application, by their logical names."""

    def table(self, name: str) -> TableReader:
        """Return the reader of a table. Raises ComputeFailedError if no table has the name."""

    def bucket(self, name: str) -> BucketReader:
        """Return the reader of a bucket. Raises ComputeFailedError if no bucket has the name."""
