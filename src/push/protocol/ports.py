"""The outside as the protocol sees it: what connections accept, and the store of large payloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class AcceptedEncodings(Protocol):
    """What connections said in `hello` that they read, as those see it who answer requests: see `parse_accept`."""

    def write(self, connection_id: str, said: str) -> None:
        """Keep what a connection said, for longer than it can last. Raises CacheUnavailableError."""

    def read(self, connection_id: str) -> str:
        """Return what a connection said, nothing if it did not. Raises CacheUnavailableError."""


class ConnectionEncodings(Protocol):
    """The same, as those see it who answer many at once."""

    async def read_all(self, connection_ids: Sequence[str]) -> list[str]:
        """Return what each connection said, in one round trip as far as may be. Raises CacheUnavailableError."""


class Payloads(Protocol):
    """The bucket's payloads: data too large to travel in a message."""

    def put(self, name: str, data: bytes) -> None:
        """Store JSON under a name, gzip-encoded; what is there is replaced. Raises TransientError."""

    def link(self, name: str, seconds: int) -> str:
        """Return a URL from which whoever has it can read a payload for so long."""
