"""Joining answers that arrive in pieces."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from pushaside.protocol.data_forms import too_large
from pushaside.protocol.messages import Piece

_OVERHEAD_BYTES = 128
"""The approximate cost of a piece beside its text, so that empty pieces count."""


@dataclass(slots=True)
class _Unfinished:
    texts: dict[int, bytes] = field(default_factory=dict)
    size_bytes: int = 0


_Name = tuple[str, int, str, int]
"""The answer that a piece belongs to: request, link, rendering, count. Pieces of two renderings are never mixed."""


class Pieces:
    """The pieces of incomplete answers, bounded in bytes and answers.

    Beyond a bound, the answers without a new piece for longest are dropped. Their requests stay unanswered, and are
    sent again like all unanswered requests.
    """

    def __init__(self, max_bytes: int, max_answers: int) -> None:
        self._max_bytes = max_bytes
        self._max_answers = max_answers
        self._unfinished: OrderedDict[_Name, _Unfinished] = OrderedDict()
        self._by_request: dict[str, set[_Name]] = {}
        self.size_bytes = 0

    def take(self, link: int, piece: Piece) -> bytes | None:
        """Add a piece that arrived on a link, in any order; return the whole text once it is complete.

        Raises:
            TooLargeError: the answer alone exceeds the bound in bytes.

        """
        name = _name(link, piece)
        unfinished = self._unfinished.setdefault(name, _Unfinished())
        self._unfinished.move_to_end(name)
        self._by_request.setdefault(piece.id, set()).add(name)
        if piece.index not in unfinished.texts:
            text = unfinished.texts[piece.index] = piece.text.encode()
            unfinished.size_bytes += len(text) + _OVERHEAD_BYTES
            self.size_bytes += len(text) + _OVERHEAD_BYTES
        if unfinished.size_bytes > self._max_bytes:
            self._drop(name)
            raise too_large(self._max_bytes)
        if len(unfinished.texts) == piece.count:
            self._drop(name)
            return b"".join(unfinished.texts[index] for index in range(piece.count))
        while self.size_bytes > self._max_bytes or len(self._unfinished) > self._max_answers:
            self._drop(next(iter(self._unfinished)))
        return None

    def count(self, link: int, piece: Piece) -> int:
        """Return how many pieces have arrived of the answer that a piece belongs to."""
        unfinished = self._unfinished.get(_name(link, piece))
        return 0 if unfinished is None else len(unfinished.texts)

    def drop_request(self, request_id: str) -> None:
        """Drop the pieces of a request."""
        if request_id in self._by_request:
            for name in self._by_request[request_id].copy():
                self._drop(name)

    def drop_link(self, link: int) -> None:
        """Drop the pieces that arrived on a lost connection."""
        for name in [each for each in self._unfinished if each[1] == link]:
            self._drop(name)

    def _drop(self, name: _Name) -> None:
        self.size_bytes -= self._unfinished.pop(name).size_bytes
        names = self._by_request[name[0]]
        names.discard(name)
        if not names:
            del self._by_request[name[0]]


def _name(link: int, piece: Piece) -> _Name:
    return (piece.id, link, piece.of, piece.count)
