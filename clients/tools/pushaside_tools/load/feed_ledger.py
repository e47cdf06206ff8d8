"""A record of deliveries, which checks that each subscriber receives each message once, in order and unchanged.

Order is that of the positions, which count a channel's messages without gaps: a subscriber at offset 7 that receives
9 lacks 8. The generator also numbers messages, to check that all subscribers receive the same one at an offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pushaside.protocol.positions import Position, parse_position
from pushaside_tools.load.plan import TopicPlan, message_text
from pushaside_tools.load.tally import TopicTally

_MOST_REMEMBERED = 65_536
"""The number of latest messages whose offsets are remembered."""

Heads = dict[int, Position]
"""The latest position seen of each channel, by the channel's number from 0."""


@dataclass(slots=True)
class Feed:
    """A subscriber that has received all offsets up to `offset` except `missing`. No epoch: not subscribed yet."""

    topic: int
    epoch: str = ""
    offset: int = 0
    missing: set[int] = field(default_factory=set)

    def is_behind(self, heads: Mapping[int, Position]) -> bool:
        """Return whether the subscriber lacks messages up to these last positions of the channels."""
        head = heads.get(self.topic)
        return head is not None and head.epoch == self.epoch and (bool(self.missing) or self.offset < head.offset)


class FeedLedger:
    """The deliveries of one process, in a run that publishes `total` messages from `begins_at` on."""

    def __init__(self, plan: TopicPlan, run: str, total: int) -> None:
        self.tally = TopicTally()
        self.begins_at = 0.0
        self.heads: Heads = {}
        self._plan = plan
        self._run = run
        self._total = total
        self._text = message_text(plan.size)
        self._places: dict[int, tuple[int, int]] = {}

    def due_of(self, number: int) -> float:
        """Return the time at which a message was due."""
        return self.begins_at + number / self._plan.rate

    def subscribe(self, feed: Feed, position: str) -> None:
        """Record the position at which a subscription begins."""
        at = self._read_position(position)
        if at is not None and not feed.epoch:
            feed.epoch, feed.offset = at.epoch, at.offset
            self.tally.subscribed += 1

    def confirm(self, number: int, position: str) -> None:
        """Record the position of a message, which its publisher received."""
        at = self._read_position(position)
        if at is not None:
            self._see_head(number % self._plan.topics, at)
            self._place(number, at)

    def take(self, feed: Feed, fields: Mapping[str, Any], now: float) -> None:
        """Check an `update` or a `resync` that a subscriber received."""
        at = self._read_position(fields.get("position"))
        if at is None:
            return
        if at.epoch != feed.epoch:
            self.tally.wrong["a position of another epoch"] += 1
            feed.epoch, feed.offset, feed.missing = at.epoch, at.offset - 1, set()
        if at.offset > feed.offset + self._total:
            self.tally.wrong["a position beyond all that was published"] += 1
            return
        if fields.get("type") == "resync":
            self._skip(feed, at)
        if self._is_new(feed, at):
            self._take_message(feed.topic, fields.get("data"), at, now)

    def settle(self, feeds: Iterable[Feed], heads: Mapping[int, Position]) -> None:
        """Count messages up to these last positions as lost that subscribers did not receive."""
        for feed in feeds:
            head = heads.get(feed.topic)
            if head is None or not feed.epoch:
                continue
            if head.epoch != feed.epoch:
                self.tally.wrong["left in another epoch"] += 1
            else:
                self.tally.lost += len(feed.missing) + max(0, head.offset - feed.offset)

    def hand_over(self) -> TopicTally:
        """Return the counts since the last call."""
        tally, self.tally = self.tally, TopicTally()
        return tally

    def _is_new(self, feed: Feed, at: Position) -> bool:
        if at.offset > feed.offset:
            if at.offset > feed.offset + 1:
                feed.missing.update(range(feed.offset + 1, at.offset))
            feed.offset = at.offset
            self._see_head(feed.topic, at)
            return True
        if at.offset in feed.missing:
            feed.missing.discard(at.offset)
            self.tally.reordered += 1
            return True
        self.tally.doubled += 1
        return False

    def _skip(self, feed: Feed, at: Position) -> None:
        """Count all messages that a `resync` replaces as lost and skipped: those before its own."""
        skipped = len(feed.missing) + max(0, at.offset - 1 - feed.offset)
        feed.missing.clear()
        feed.offset = max(feed.offset, at.offset - 1)
        self.tally.lost += skipped
        self.tally.skipped += skipped

    def _take_message(self, topic: int, data: object, at: Position, now: float) -> None:
        self.tally.delivered += 1
        number = data.get("number") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(number, int) or data.get("run") != self._run:
            self.tally.wrong["a message that was not published here"] += 1
            return
        if data.get("text") != self._text:
            self.tally.wrong["another text than was published"] += 1
        if number % self._plan.topics != topic:
            self.tally.wrong["a message of another channel"] += 1
        self._place(number, at)
        self.tally.delivery.record(now - self.due_of(number))

    def _place(self, number: int, at: Position) -> None:
        place = (number % self._plan.topics, at.offset)
        if self._places.setdefault(number, place) != place:
            self.tally.wrong["one message at two positions"] += 1
        elif len(self._places) > _MOST_REMEMBERED:
            del self._places[next(iter(self._places))]

    def _see_head(self, topic: int, at: Position) -> None:
        head = self.heads.get(topic)
        if head is None or head.epoch != at.epoch or head.offset < at.offset:
            self.heads[topic] = at

    def _read_position(self, text: object) -> Position | None:
        try:
            return parse_position(str(text))
        except ValueError:
            self.tally.wrong["no position"] += 1
            return None


def merge_heads(several: Iterable[Heads]) -> Heads:
    """Return the latest position of each channel.

    >>> merge_heads([{0: Position("a", 3)}, {0: Position("a", 5), 1: Position("b", 1)}])[0].offset
    5
    """
    merged: Heads = {}
    for heads in several:
        for topic, at in heads.items():
            held = merged.get(topic)
            if held is None or held.epoch != at.epoch or held.offset < at.offset:
                merged[topic] = at
    return merged
