"""Ports of the sources: scores, boards and documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from push.computes import Tenant
from push.sources.boards import Entry, View
from push.sources.documents import Reference


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
