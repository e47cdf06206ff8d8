"""Updates of live results as patches, for those who apply them and have the value before.

Who is pushed a round and does not lag has been pushed what came before it. So where a round is the one entry that
follows the shard's cursor, what its subscribers hold is the entry at the cursor; the history is asked whether it still
has that. Nothing rests on it: a patch names the value that it is for, and who holds another subscribes again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from push.topics.histories import Message, Round
from push.topics.live_results import LiveEntry
from push.topics.ports import TopicHistories
from push.topics.positions import Position
from push.topics.topics import Topic
from push.topics.update_frames import read_entry, render_patched

if TYPE_CHECKING:
    # What makes patches takes 34 ms to import, and most who fan out never make one.
    from push.topics.patches import Patch

MakePatch = Callable[[bytes, bytes], Awaitable["Patch | None"]]
"""`push.topics.patches.make_patch`, without holding up others."""


class PatchedUpdates:
    """Writes the updates of those who apply patches.

    Args:
        histories: where the values before are.
        make_patch: makes the patches.
        is_patched: says of a topic whether its namespace has patches.

    """

    def __init__(
        self, *, histories: TopicHistories, make_patch: MakePatch, is_patched: Callable[[Topic], bool]
    ) -> None:
        self._histories = histories
        self._make_patch = make_patch
        self._is_patched = is_patched

    async def frames(self, topic: Topic, found: Round, full: Sequence[bytes]) -> Sequence[bytes]:
        """Return what those are to be pushed who apply patches; `full` is what all others are.

        It is the same, but where a patch makes it smaller. Raises CacheUnavailableError.
        """
        if not (topic.is_live and self._is_patched(topic)):
            return full
        message, entry = _only_value(found)
        if message is None or entry is None or message.position != _following(found.after):
            return full
        before = await self._value_at(topic, found.after)
        if before is None or (patch := await self._make_patch(bytes(before.data), bytes(entry.data))) is None:
            return full
        frame = render_patched(topic, message.position, entry.etag, before.etag, patch)
        return (frame,) if len(frame) < len(full[0]) else full

    async def _value_at(self, topic: Topic, position: Position) -> LiveEntry | None:
        """Return the entry at a position if the history still has it, and its data."""
        if position.offset == 0:
            return None
        history = await self._histories.read(topic, Position(position.epoch, position.offset - 1), 1)
        if not (history.messages and history.messages[0].position == position):
            return None
        return _with_data(history.messages[0])


def _only_value(found: Round) -> tuple[Message | None, LiveEntry | None]:
    messages = found.history.messages
    if not found.history.is_complete or len(messages) != 1:
        return None, None
    return messages[0], _with_data(messages[0])


def _with_data(message: Message) -> LiveEntry | None:
    entry = read_entry(message)
    return entry if entry is not None and bytes(entry.data) else None


def _following(position: Position) -> Position:
    return Position(position.epoch, position.offset + 1)
