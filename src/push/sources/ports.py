"""The outside as sources of results see it: scores, boards, documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from push.computes import Tenant
from push.sources.boards import Entry, View
from push.sources.documents import Reference


class Scores(Protocol):
    """The durable source of all boards. Methods block."""

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        """Return the score of every member.

        Raises ComputeFailedError if there are over `MAX_MEMBERS`, SourceThrottledError or TransientError.
        """


class BoardCache(Protocol):
    """Boards kept ready to be read. Methods raise CacheUnavailableError."""

    async def read(self, tenant: Tenant, board: str, view: View) -> list[Entry] | None:
        """Return part of a board: None if the board is absent, an empty list if the member is."""

    async def begin_rebuild(self, tenant: Tenant, board: str) -> str | None:
        """Take the right to rebuild an absent board; None if it is there by now or somebody else has the right."""

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> None:
        """Give the right back, having installed the board in one step if the right was still held.

        Without scores nothing is installed. What `update` was told since the rebuild began is put on top.
        """

    async def update(self, tenant: Tenant, board: str, scores: Mapping[str, float | None]) -> None:
        """Set the scores of members, or with None take them off, if the board is there or is being rebuilt.

        Repeating it is harmless. Changes of one member must come in order.
        """


class DocumentIndex(Protocol):
    """What says which objects are the documents of a collection. Methods block."""

    def find(self, tenant: Tenant, collection: str, ids: Sequence[str]) -> list[Reference]:
        """Return up to `MAX_DOCUMENTS` documents by id, in any order; absent ones are left out.

        Raises SourceThrottledError or TransientError.
        """

    def list_all(self, tenant: Tenant, collection: str, limit: int) -> list[Reference]:
        """Return the first documents of a collection in order of id. Raises SourceThrottledError or TransientError."""


class DocumentStore(Protocol):
    """Where documents are."""

    async def load(self, references: Sequence[Reference], seconds: float) -> list[bytes]:
        """Return the documents in the order of their references, within some seconds.

        Raises ComputeFailedError if one is absent or all are too large, SourceThrottledError if the store asks for
        less to the end, TransientError.
        """
