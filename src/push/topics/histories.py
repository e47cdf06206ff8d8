"""Values of topic histories: messages, reads, and the progress of fan-out."""

from __future__ import annotations

import msgspec

from push.topics.positions import Position


class NewMessage(msgspec.Struct, frozen=True):
    """A message to append.

    `data` is JSON. Of several messages with the same `id`, only the first is appended; an empty `id` is no id. Ids are
    unique per topic, so a caller's id must include its principal, for example. `etag` is a live result's.
    """

    data: bytes
    id: str = ""
    etag: str = ""


class Appended(msgspec.Struct, frozen=True):
    """The position of an appended message; `is_new` is False if its id or its etag was there before.

    The caller nudges fan-out in either case, because the earlier publisher may have died right after appending.
    """

    position: Position
    is_new: bool


class Message(msgspec.Struct, frozen=True):
    """One message of a history."""

    position: Position
    data: bytes
    published_at_ms: int
    id: str = ""
    etag: str = ""


class History(msgspec.Struct, frozen=True):
    """The messages after a position, up to a limit; `head` is the latest message's position.

    If `is_complete`, the messages follow the position without a gap. Otherwise messages were evicted, or the position
    has another epoch. Then `messages` holds only the latest message (none if it expired too), in place of all before
    it.
    """

    messages: tuple[Message, ...]
    is_complete: bool
    head: Position

    @property
    def end(self) -> Position:
        """Return the position of a subscriber that received these messages."""
        return self.messages[-1].position if self.is_complete and self.messages else self.head


class Round(msgspec.Struct, frozen=True):
    """The next messages for one shard of a topic's subscribers: those after `after`. Empty if none are left."""

    after: Position
    history: History


class ShardBusy(msgspec.Struct, frozen=True):
    """Another worker holds the shard's lease for `left_ms`, and finds every message appended meanwhile."""

    left_ms: int


class Behind(msgspec.Struct, frozen=True):
    """The position of a lagging connection.

    `mark` identifies the occasion on which it fell behind; `noted_at_ms` is when it last made progress.
    """

    position: Position
    mark: str
    noted_at_ms: int
