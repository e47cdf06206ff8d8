"""Ports of the sources: tables and buckets, scores, boards and documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from push.computes import Tenant
from push.sources.boards import BoardView, ChangedMembers, RefreshedMembers, View
from push.sources.documents import Reference
from push.sources.raised_tags import RaisedTags
from push.sources.table_tags import TrackedTable


class Scores(Protocol):
    """The durable store of all boards, strongly consistent. A row without a numeric score counts as absent.

    Methods block.
    """

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        """Return the score of every member.

        Raises ComputeFailedError if there are more than `MAX_MEMBERS`, SourceThrottledError or TransientError.
        """

    def read_some(self, tenant: Tenant, board: str, members: Collection[str]) -> dict[str, float]:
        """Return the scores of some members, omitting absent ones. Raises SourceThrottledError or TransientError."""


class BoardCache(Protocol):
    """Boards cached for reading. Every method may raise CacheUnavailableError.

    A change only marks its members. A reader reads marked members from the source and stores what it read. So a board
    never goes back in time, in whatever order changes arrive and however often:

    - a rebuild reads the source after the board became absent, and after it began to collect marks;
    - a refresh reads the source after it listed the marks, and is stored only if nothing else was stored since.
    """

    async def read(
        self, tenant: Tenant, board: str, view: View, lowest_version: int, refreshed: RefreshedMembers | None = None
    ) -> BoardView | ChangedMembers | None:
        """Return part of a board of at least a version, or the members to read from the source first.

        `refreshed` answers an earlier ChangedMembers. It is stored, in the same step, unless another reader stored
        something since the listing; then the answer may again be ChangedMembers. None if the board is absent or older.
        A view has no entries if its member is absent.
        """

    async def begin_rebuild(self, tenant: Tenant, board: str, lowest_version: int) -> str | None:
        """Take the right to rebuild a board that is absent or older than a version, atomically.

        An older board is dropped. None if the board exists or another worker has the right.
        """

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> int | None:
        """Store the board if the right is still held, and release the right, in one step.

        Without scores nothing is stored. Returns the board's version, or None if it was not stored.
        """

    async def mark_changed(self, tenant: Tenant, board: str, members: Collection[str]) -> None:
        """Mark members whose rows changed, if the board exists or is being rebuilt.

        Idempotent, in any order. The changes must be committed at the source. A board with too many marks is dropped.
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
    """The tables and buckets of an application, by their logical names.

    Every method raises ComputeFailedError if no table or bucket has the name.
    """

    def table(self, name: str) -> TableReader:
        """Return the reader of a table."""

    def bucket(self, name: str) -> BucketReader:
        """Return the reader of a bucket."""

    def tracked_table(self, name: str) -> TrackedTable:
        """Return a table as its tags need it."""

    def bucket_name(self, name: str) -> str:
        """Return the physical name of a bucket."""
