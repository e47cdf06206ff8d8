"""Ports of the protocol: the encodings that connections accept, and the store of large payloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class AcceptedEncodings(Protocol):
    """The encodings that connections accepted in `hello`, as `parse_accept` returns them; for single requests."""

    def write(self, connection_id: str, said: str) -> None:
        """Store what a connection accepts, for longer than it can last. Idempotent. Raises CacheUnavailableError."""

    def read(self, connection_id: str) -> str:
        """Return what a connection accepts; empty if it sent none. Raises CacheUnavailableError."""


class ConnectionEncodings(Protocol):
    """The encodings that connections accepted in `hello`, for workers that answer many connections at once."""

    async def read_all(self, connection_ids: Sequence[str]) -> list[str]:
        """Return what each connection accepts, in as few round trips as possible. Raises CacheUnavailableError."""


class Payloads(Protocol):
    """The bucket of payloads: data that exceeds a message."""

    def put(self, name: str, data: bytes) -> None:
        """Store JSON under a name, gzip-encoded, and replace what is there. Idempotent. Raises TransientError."""

    def link(self, name: str, seconds: int) -> str:
        """Return a URL that lets any holder read a payload for some seconds. Makes no call and never raises."""
