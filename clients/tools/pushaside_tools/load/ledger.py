"""A record of the unanswered requests, which checks every answer."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pushaside.errors import TooLargeError
from pushaside.protocol.chunks import Pieces
from pushaside.protocol.data_forms import make_etag
from pushaside.protocol.messages import RESULT_BYTES, Piece, read_fields
from pushaside.protocol.raw_json import raw_member
from pushaside_tools.load.tally import Tally

_ETAG = re.compile("[0-9a-f]{24}")
_DATA = b',"data":'
_MAX_UNFINISHED = 65_536


@dataclass(slots=True)
class Pending:
    """A request that was sent on a link. Times are seconds of `time.monotonic`."""

    key: int
    due: float
    sent: float
    link: int


@dataclass(frozen=True, slots=True)
class Expectations:
    """Facts that answers are checked against.

    The content of keys below `steady_keys` never changes. With `has_seed` the data contains the number of its key.
    """

    steady_keys: int = sys.maxsize
    has_seed: bool = False


class Ledger:
    """The requests and answers of one process.

    Ids are the prefix and a count, so that answered ones need not be remembered to recognize a second answer.
    """

    def __init__(self, prefix: str, expectations: Expectations, patience: float) -> None:
        self.tally = Tally()
        self._prefix = f"{prefix}-"
        self._expectations = expectations
        self._patience = patience
        self._sent = 0
        self._pending: dict[str, Pending] = {}
        self._given_up: set[str] = set()
        self._contents: dict[int, tuple[str, str]] = {}
        self._pieces = Pieces(RESULT_BYTES, _MAX_UNFINISHED)

    @property
    def unanswered(self) -> int:
        """The number of unanswered requests."""
        return len(self._pending)

    def open(self, key: int, due: float, now: float, link: int) -> str:
        """Record a request that is sent now, and return its id."""
        request_id = f"{self._prefix}{self._sent}"
        self._sent += 1
        self._pending[request_id] = Pending(key, due, now, link)
        self.tally.sent += 1
        return request_id

    def take(self, message: bytes, now: float, link: int) -> Pending | None:
        """Check a message that arrived on a link; return the request that it ends, or None."""
        self.tally.received_bytes += len(message)
        try:
            fields = orjson.loads(message)
        except orjson.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            self.tally.wrong["not a JSON object"] += 1
            return None
        if fields.get("type") == "chunk":
            return self._take_piece(fields, now, link)
        return self._take_fields(fields, message, now)

    def expire(self, now: float) -> Iterator[Pending]:
        """Count requests as lost that had no answer within the patience, and yield them."""
        while self._pending:
            request_id, oldest = next(iter(self._pending.items()))
            if oldest.sent + self._patience > now:
                return
            yield self._give_up(request_id)

    def drop_link(self, link: int) -> None:
        """Count all unanswered requests of a closed link as lost."""
        self._pieces.drop_link(link)
        for request_id in [each for each, pending in self._pending.items() if pending.link == link]:
            self._give_up(request_id)

    def hand_over(self) -> Tally:
        """Return the counts since the last call."""
        tally, self.tally = self.tally, Tally()
        return tally

    def _give_up(self, request_id: str) -> Pending:
        self._given_up.add(request_id)
        self._pieces.drop_request(request_id)
        self.tally.lost += 1
        return self._pending.pop(request_id)

    def _take_piece(self, fields: dict[str, Any], now: float, link: int) -> Pending | None:
        piece = read_fields(fields)
        if not isinstance(piece, Piece):
            self.tally.wrong["a chunk that is none"] += 1
            return None
        if piece.id not in self._pending:
            # Count a repeated answer once, although each of its pieces arrives again.
            if piece.index == piece.count - 1:
                self._take_unexpected(piece.id)
            return None
        try:
            text = self._pieces.take(link, piece)
        except TooLargeError:
            self.tally.wrong["too large"] += 1
            return None
        if text is None:
            return None
        try:
            whole = orjson.loads(text)
        except orjson.JSONDecodeError:
            whole = None
        if not isinstance(whole, dict) or whole.get("id") != piece.id:
            self.tally.wrong["chunks that make no whole"] += 1
            return None
        return self._take_fields(whole, text, now)

    def _take_fields(self, fields: dict[str, Any], text: bytes, now: float) -> Pending | None:
        kind = fields.get("type")
        if kind not in {"result", "error"}:
            if kind is None and "message" in fields:
                self.tally.faults += 1
            return None
        request_id = fields.get("id")
        pending = self._pending.pop(request_id, None) if isinstance(request_id, str) else None
        if pending is None:
            self._take_unexpected(request_id)
            return None
        if self._pieces.size_bytes:
            self._pieces.drop_request(str(request_id))
        if kind == "error":
            error = fields.get("error")
            self.tally.errors[str(error.get("code")) if isinstance(error, dict) else "none"] += 1
            return pending
        self._take_result(pending, fields, text, now)
        return pending

    def _take_result(self, pending: Pending, fields: dict[str, Any], text: bytes, now: float) -> None:
        if flaw := self._find_flaw(pending.key, fields, text):
            self.tally.wrong[flaw] += 1
        self.tally.sources[str(fields.get("cache"))] += 1
        self.tally.latency.record(now - pending.due)
        self.tally.since_sent.record(now - pending.sent)

    def _take_unexpected(self, request_id: object) -> None:
        if not isinstance(request_id, str) or not self._was_sent(request_id):
            self.tally.wrong["an answer to nothing that was asked"] += 1
        elif request_id in self._given_up:
            self._given_up.discard(request_id)
            self.tally.late += 1
        else:
            self.tally.doubled += 1

    def _was_sent(self, request_id: str) -> bool:
        count = request_id.removeprefix(self._prefix)
        is_ours = request_id.startswith(self._prefix) and count.isascii() and count.isdigit()
        return is_ours and int(count) < self._sent

    def _find_flaw(self, key: int, fields: dict[str, Any], text: bytes) -> str | None:
        etag = fields.get("etag")
        if not isinstance(etag, str) or not etag:
            return "no etag"
        if "encoding" in fields:
            return "an encoding that was not asked for"
        if "data" not in fields:
            if "url" not in fields:
                return "no data"
            self.tally.linked += 1
            return self._find_difference(key, str(fields.get("key")), etag)
        data = fields["data"]
        if self._expectations.has_seed and (not isinstance(data, dict) or data.get("seed") != key):
            return "data of another key"
        digest = _hash_data(text, etag)
        if _ETAG.fullmatch(etag) and digest != etag:
            return "an etag that is not the data's"
        return self._find_difference(key, str(fields.get("key")), digest)

    def _find_difference(self, key: int, name: str, digest: str) -> str | None:
        if key >= self._expectations.steady_keys:
            return None
        first = self._contents.setdefault(key, (name, digest))
        return None if first == (name, digest) else "other content than before"


def _hash_data(text: bytes, etag: str) -> str:
    """Hash the data as received: quickly if it is the last member, as usual, and by parsing the message otherwise."""
    digest = make_etag(text[text.find(_DATA) + len(_DATA) : -1])
    if digest == etag:
        return digest
    return make_etag(raw_member(text.decode(), "data").encode())
