"""Histories: the latest messages of each topic, and who has not been pushed them yet."""

from __future__ import annotations

from dataclasses import dataclass

from push.topics.positions import Position


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What is to be appended.

    `data` is JSON. Of several messages with the same `id` the first counts; "" is nobody's id. Ids are a topic's own,
    so those that callers choose must be told apart, by their principal for example. `etag` is a live result's.
    """

    data: bytes
    id: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a message stands in the history; `is_new` is False if it, or the same etag, stood there before.

    Who appended it before may have died right after: subscribers are to be pushed it in either case.
    """

    position: Position
    is_new: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a history."""

    position: Position
    data: bytes
    published_at_ms: int
    id: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What comes after a position, up to the limit that was asked for; `head` is the latest message's position.

    Complete, the messages follow the position and each other without a gap. If not, something has been forgotten, or
    the position is of another epoch: then `messages` is the latest one alone (none if that is forgotten too), which
    stands for all before it as far as anything can.
    """

    messages: tuple[Message, ...]
    is_complete: bool
    head: Position

    @property
    def end(self) -> Position:
        """Where who has been pushed these messages is then."""
        return self.messages[-1].position if self.is_complete and self.messages else self.head


@dataclass(frozen=True, slots=True)
class Round:
    """What one shard of a topic's subscribers is to be pushed next: what follows `after`. Empty if nothing is left."""

    after: Position
    history: History


@dataclass(frozen=True, slots=True)
class ShardBusy:
    """Somebody else is at it, for so long (ms) unless it is renewed, and will find all that is appended meanwhile."""

    left_ms: int


@dataclass(frozen=True, slots=True)
class Behind:
    """How far a lagging connection is.

    `mark` names the occasion on which it fell behind, and `noted_at_ms` is when it was last seen to get anywhere.
    """

    position: Position
    mark: str
    noted_at_ms: int
