"""Who reads gzip: what a request says itself, or else what its connection said in `hello`."""

from __future__ import annotations

from collections.abc import Callable

from push.errors import CacheUnavailableError
from push.protocol.large_answers import GZIP, parse_accept
from push.protocol.ports import AcceptedEncodings

_MEMORIZED = 10_000
_TRUSTED_MS = 60_000
"""A connection may say `hello` after it has asked, and to another execution environment."""


class Accepting:
    """What one execution environment knows of its clients.

    Args:
        store: what connections said, to whichever environment.
        now_ms: the clock, in milliseconds since 1970.

    """

    def __init__(self, store: AcceptedEncodings, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._known: dict[str, tuple[str, int]] = {}

    def note(self, connection_id: str, accept: tuple[str, ...] | None) -> None:
        """Keep what a connection said in `hello`; without Redis it is sent what everybody reads."""
        if accept is None:
            return
        said = parse_accept(accept)
        self._remember(connection_id, said)
        try:
            self._store.write(connection_id, said)
        except CacheUnavailableError:
            # Others will not know, and what they send is right all the same.
            return

    def reads_gzip(self, connection_id: str, accept: tuple[str, ...] | None) -> bool:
        """Say whether the answer to a request, which said this, may be encoded."""
        return (parse_accept(accept) or self._said(connection_id)) == GZIP

    def _said(self, connection_id: str) -> str:
        said, known_at_ms = self._known.get(connection_id, ("", 0))
        if self._now_ms() - known_at_ms < _TRUSTED_MS:
            return said
        try:
            said = self._store.read(connection_id)
        except CacheUnavailableError:
            return said
        self._remember(connection_id, said)
        return said

    def _remember(self, connection_id: str, said: str) -> None:
        self._known.pop(connection_id, None)
        self._known[connection_id] = said, self._now_ms()
        if len(self._known) > _MEMORIZED:
            del self._known[next(iter(self._known))]
