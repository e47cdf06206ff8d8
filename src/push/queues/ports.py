"""The outside as consumers of queues see it: bodies of any size, and when messages return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class QueueBodies(Protocol):
    """How documents travel as bodies of queue messages, whatever their size: see `push.queues.bodies`."""

    def pack(self, document: str) -> str:
        """Return the body for a document, which is durable when it returns.

        Raises QueueUnavailableError; and RequestError (`too_large`) if no queue message can stand for it.
        """

    async def unpack(self, body: str) -> str:
        """Return the document of a body.

        Raises TransientError; and RequestError if it is not the body of a document, or that is no longer kept.
        """


class RedeliveryTimes(Protocol):
    """When received messages that failed are seen again."""

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        """Have up to ten messages come back after so many seconds; if that fails, after the queue's own time."""
