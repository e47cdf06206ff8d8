"""Ports of inbound webhooks: their secrets, and the memory of webhooks received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class HookSecrets(Protocol):
    """The store of the sources' secrets."""

    def find(self, source: str) -> Sequence[str]:
        """Return the valid secrets of a source. Raises TransientError, or SettingsError if it has none."""


class SeenHooks(Protocol):
    """The memory of webhooks received, which outlives the workers."""

    def first_time(self, source: str, identity: str, seconds: int) -> bool:
        """Return whether a webhook is new, and claim it for `seconds` if so, atomically: only one caller gets True.

        Raises TransientError if the memory does not answer, or while another caller holds the claim.
        """

    def remember(self, source: str, identity: str, seconds: int) -> None:
        """Turn a claim into memory for `seconds`: the webhook was published. Idempotent. Raises TransientError."""

    def forget(self, source: str, identity: str) -> None:
        """Release a claim: the webhook was not published, and the sender may retry it. Raises TransientError."""
