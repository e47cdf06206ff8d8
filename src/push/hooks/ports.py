"""The outside as inbound webhooks see it: their secrets, and the memory of those received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class HookSecrets(Protocol):
    """Where the secrets of sources are kept."""

    def find(self, source: str) -> Sequence[str]:
        """Return the secrets of a source, all of them good. Raises TransientError, or SettingsError if it has none."""


class SeenHooks(Protocol):
    """The memory of webhooks that came, which outlives the workers."""

    def first_time(self, source: str, identity: str, seconds: int) -> bool:
        """Say whether a webhook is new, and if it is, claim it for so long; of several callers at once one is told so.

        Raises TransientError if that can't be found out, and while another has claimed it and not ended.
        """

    def remember(self, source: str, identity: str, seconds: int) -> None:
        """Turn a claim into memory for so long: the webhook has been dealt with. Raises TransientError."""

    def forget(self, source: str, identity: str) -> None:
        """Give a claim back: the webhook has not been dealt with, and may come again. Raises TransientError."""
