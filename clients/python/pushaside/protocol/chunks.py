"""Puts answers together that come in pieces."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from pushaside.protocol.data_forms import too_large
from pushaside.protocol.messages import Piece

_OVERHEAD_BYTES = 128
"""What keeping a piece costs beside its text, about; so that empty ones are not free."""


@dataclass(slots=True)
class _Unfinished:
    texts: dict[int, bytes] = field(default_factory=dict)
    size_bytes: int = 0


_Name = tuple[str, int, str, int]
"""Which answer a piece belongs to: request, link, splitting, count. Pieces of two splittings are never mixed."""


class Pieces:
    """Holds the pieces of answers that are not whole, of no more than so many bytes and answers.

    Beyond that, those answers are let go that have had no new piece for longest. Their requests stay unanswered, and
    are asked again as any that the service is silent about.
    """

    def __init__(self, max_bytes: int, max_answers: int) -> None:
        self._max_bytes = max_bytes
        self._max_answers = max_answers
        self._unfinished: OrderedDict[_Name, _Unfinished] = OrderedDict()
        self._by_request: dict[str, set[_Name]] = {}
        self.size_bytes = 0

    def take(self, link: int, piece: Piece) -> bytes | None:
        """Take a piece that came on a link; return the whole text once it is there. Pieces may come in any order.

        Raises:
            TooLargeError: the answer alone has more bytes than may be held.

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
        """Count the pieces that are there of the answer that a piece belongs to."""
        unfinished = self._unfinished.get(_name(link, piece))
        return 0 if unfinished is None else len(unfinished.texts)

    def drop_request(self, request_id: str) -> None:
        """Let go of what came for a request."""
        if request_id in self._by_request:
            for name in self._by_request[request_id].copy():
                self._drop(name)

    def drop_link(self, link: int) -> None:
        """Let go of what came on a connection: no more will."""
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
