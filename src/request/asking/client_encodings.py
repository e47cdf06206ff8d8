"""The encodings that clients accept: named by a request itself, or by its connection's `hello`."""

from __future__ import annotations

from collections.abc import Callable

from push.errors import CacheUnavailableError
from push.protocol.large_answers import GZIP, parse_accept
from push.protocol.ports import AcceptedEncodings

_MAX_REMEMBERED = 10_000
_TRUSTED_MS = 60_000
"""A connection may send `hello` after its first request, and another execution environment may receive it."""


class ClientEncodings:
    """Remembers the accepted encodings of one execution environment's clients.

    Args:
        store: shares them with the other environments.
        now_ms: the clock, in milliseconds since 1970.

    """

    def __init__(self, store: AcceptedEncodings, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._known: dict[str, tuple[str, int]] = {}

    def note(self, connection_id: str, accept: tuple[str, ...] | None) -> None:
        """Keep the `accept` of a connection's `hello`; nothing happens without one."""
        if accept is None:
            return
        encodings = parse_accept(accept)
        self._remember(connection_id, encodings)
        try:
            self._store.write(connection_id, encodings)
        except CacheUnavailableError:
            # Other environments send plain data, which every client reads.
            return

    def reads_gzip(self, connection_id: str, accept: tuple[str, ...] | None) -> bool:
        """Say whether the answer to a request may be encoded; `accept` is the request's own."""
        return (parse_accept(accept) or self._find(connection_id)) == GZIP

    def _find(self, connection_id: str) -> str:
        encodings, known_at_ms = self._known.get(connection_id, ("", 0))
        if self._now_ms() - known_at_ms < _TRUSTED_MS:
            return encodings
        try:
            encodings = self._store.read(connection_id)
        except CacheUnavailableError:
            return encodings
        self._remember(connection_id, encodings)
        return encodings

    def _remember(self, connection_id: str, encodings: str) -> None:
        self._known.pop(connection_id, None)
        self._known[connection_id] = encodings, self._now_ms()
        if len(self._known) > _MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
