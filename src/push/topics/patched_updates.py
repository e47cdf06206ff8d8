"""Updates of live results as patches, for subscribers that apply patches and hold the previous value.

A subscriber that does not lag has received everything before the round. So if a round is the single entry after the
shard's cursor, the subscribers hold the entry at the cursor, which the history may still have. Correctness does not
depend on that: a patch names its base value, and if it does not match the client's value, the client resubscribes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from push.topics.histories import Message, Round
from push.topics.live_results import LiveEntry
from push.topics.ports import TopicHistories
from push.topics.positions import Position
from push.topics.topics import Topic
from push.topics.update_frames import read_entry, render_patched

if TYPE_CHECKING:
    # Importing it takes 34 ms, and most workers never make a patch.
    from push.topics.patches import Patch

MakePatch = Callable[[bytes, bytes], Awaitable["Patch | None"]]
"""`push.topics.patches.make_patch`, without blocking the event loop."""


class PatchedUpdates(msgspec.Struct, frozen=True, kw_only=True):
    """Renders updates for subscribers that apply patches.

    Args:
        histories: holds the previous values.
        make_patch: makes a patch.
        is_patched: returns whether a topic's namespace permits patches.

    """

    histories: TopicHistories
    make_patch: MakePatch
    is_patched: Callable[[Topic], bool]

    async def frames(self, topic: Topic, found: Round, full: Sequence[bytes]) -> Sequence[bytes]:
        """Return the frames for subscribers that apply patches: a patch if it is smaller, else `full`.

        `full` holds the frames of the other subscribers. Raises CacheUnavailableError.
        """
        if not (topic.is_live and self.is_patched(topic)):
            return full
        message, entry = _only_value(found)
        if message is None or entry is None or message.position != _following(found.after):
            return full
        before = await self._value_at(topic, found.after)
        if before is None or (patch := await self.make_patch(bytes(before.data), bytes(entry.data))) is None:
            return full
        frame = render_patched(topic, message.position, entry.etag, before.etag, patch)
        return (frame,) if len(frame) < len(full[0]) else full

    async def _value_at(self, topic: Topic, position: Position) -> LiveEntry | None:
        """Return the entry at a position if the history still has it with its data, or None."""
        if position.offset == 0:
            return None
        history = await self.histories.read(topic, Position(position.epoch, position.offset - 1), 1)
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
