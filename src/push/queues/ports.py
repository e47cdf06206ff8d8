"""Ports of queues: bodies of any size, and the time when messages return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class QueueBodies(Protocol):
    """The conversion between documents of any size and bodies of queue messages: see `push.queues.bodies`."""

    def pack(self, document: str) -> str:
        """Return the body for a document; a document stored outside the body is durable when this returns.

        Raises QueueUnavailableError, or RequestError (`too_large`) if the document exceeds the limit.
        """

    async def unpack(self, body: str) -> str:
        """Return the document of a body.

        Raises TransientError, or RequestError if the body is malformed or its document is no longer stored.
        """


class RedeliveryTimes(Protocol):
    """The time when failed messages become visible again."""

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        """Hide up to ten messages for some seconds each. Never raises: on failure the queue's own timeout applies."""
