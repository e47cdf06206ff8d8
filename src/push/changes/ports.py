"""Port of changes: where records stay that could not be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KeptChanges(Protocol):
    """The queue of failed changes."""

    def keep(self, messages: Sequence[str]) -> None:
        """Send messages that `push.changes.reading.keep` made; all are durable when it returns.

        Raises QueueUnavailableError, or RequestError if one is too large; it may have sent some.
        """
