"""The messages of one subscription: applied in order and once, in whatever order and however often they arrive.

A message is applied if it is the next one, and only then does the position move. An early message is held: before
`subscribed`, because the topic's position is unknown, and after it, because a message in between is missing or the
epoch differs. To get what stays missing, the session resubscribes since the position, and the service sends it again.

- In a channel, the next message is the one with the next offset, or a `resync`. If the queue is full, messages are
  dropped, until there is room and the session resubscribes.
- In a live result, the next message is any newer one. Only the newest applied value waits to be taken, and a value
  with the etag of the current one is no update. A patch for another value than the current one is early. If a patch
  gives the wrong value, it counts as missing, and the session resubscribes to get the whole value.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from pushaside.errors import PushasideError
from pushaside.protocol.patches import PatchMismatchError
from pushaside.protocol.positions import Position, parse_position
from pushaside.protocol.topic_messages import Pushed, Subscribed, Value
from pushaside.protocol.topic_questions import ChannelSubject, LiveSubject, Subject

logger = logging.getLogger("pushaside")


@dataclass(frozen=True, slots=True)
class Update:
    """A message of a channel, or a new value of a live result.

    `data` is the message or value, decoded. `position` is the topic's position after it, to subscribe `since` it later.
    `etag` changes with the value of a live result, and is "" for channels. With `is_resync`, earlier messages are
    missing, and `data` replaces them: a channel's newest message, or None if there is none.
    """

    topic: str
    position: str
    # Only the caller knows the shape of the publisher's JSON.
    data: Any
    etag: str
    is_resync: bool


class Feed:
    """The state of one subscription; `limit` is the number of updates that may wait to be taken."""

    def __init__(self, feed_id: str, subject: Subject, since: Position | None, limit: int) -> None:
        self.id = feed_id
        self.subject = subject
        self.topic = subject.topic if isinstance(subject, ChannelSubject) else None
        self.position = since
        self.value: Any = None
        self.failure: PushasideError | None = None
        self.error: PushasideError | None = None
        self.is_subscribed = False
        """Whether it was ever active: from then on, temporary errors do not end it."""
        self.holds = False
        """Whether it is active at the moment, as far as the session knows."""
        self.is_full = False
        self.has_news = False
        """Whether it has changed since the last `Notify`."""
        self.linked: Pushed | None = None
        """The message that is applied once its data is fetched."""
        self._limit = limit
        self._etag: str | None = None
        self._taken = since
        self._queue: deque[Update] = deque()
        self._held: dict[Position, Pushed] = {}
        self._has_dropped = False
        self._asked_since = since
        self._awaited_epoch: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether the subject is a live result."""
        return isinstance(self.subject, LiveSubject)

    @property
    def taken(self) -> Position | None:
        """The position of the last update taken; None while it is unknown."""
        return self._taken if self._queue else self.position

    @property
    def waiting(self) -> int:
        """The number of updates that wait to be taken."""
        return len(self._queue)

    @property
    def is_missing(self) -> bool:
        """Whether a message is known to be missing."""
        if self.is_full or self.linked is not None or self.error is not None:
            return False
        return bool(self._held) or self._has_dropped or self._awaited_epoch is not None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the topic is known to be in another epoch, so that missing messages do not arrive by themselves."""
        return self.position is not None and any(each.epoch != self.position.epoch for each in self._held)

    def begin(self) -> None:
        """Note that the session resubscribes since the position, after which every message arrives again."""
        self._forget_held()
        self._asked_since = self.position
        self.linked = None

    def take(self) -> Update | None:
        """Remove and return the next update; None if there is none."""
        if not self._queue:
            return None
        update = self._queue.popleft()
        self._taken = parse_position(update.position)
        return update

    def make_room(self) -> bool:
        """Tell whether a full feed has room again."""
        if not self.is_full or len(self._queue) > self._limit // 2:
            return False
        self.is_full = False
        return True

    def end(self, error: PushasideError) -> None:
        """End the feed; applied updates can still be taken."""
        self.error = self.error or error
        self.has_news = True
        self.linked = None
        self._forget_held()

    def subscribed(self, subscribed: Subscribed) -> None:
        """Handle the answer to the subscription after `begin`."""
        position, value = subscribed.position, subscribed.value
        self.topic = subscribed.topic
        if not self.is_subscribed:
            self.is_subscribed = self.has_news = True
        is_lost = not subscribed.recovered or self._has_gone_back(position)
        pushed = Pushed(subscribed.topic, position, value, is_resync=is_lost)
        if self.is_live:
            self._take_current(pushed)
        elif is_lost:
            self._take_lost(pushed)
        elif self.position is None:
            self.position = self._taken = position
        self._apply_held()

    def push(self, pushed: Pushed) -> None:
        """Handle a message of the topic."""
        if self.error is not None or self.is_full or self._is_old(pushed.position):
            return
        if self.is_live and pushed.value is None:
            # The message has only a position: resubscribing gets the value.
            self._has_dropped = True
            return
        self._hold(pushed)
        if self._may_matter_now(pushed):
            self._apply_held()
        self._bound_held()

    def fetched(self, pushed: Pushed, value: Value) -> None:
        """Apply the data of `linked`, unless another message has replaced it."""
        if self.linked is pushed:
            self._apply(pushed, value)
            self._apply_held()

    def skip_linked(self) -> bool:
        """Skip data that cannot be fetched if a newer value is held; tell whether one is."""
        if self.linked is None or not self.is_live or not self._held:
            return False
        self.position, self.linked = self.linked.position, None
        self._apply_held()
        return True

    @property
    def _mark(self) -> Position | None:
        """The position of the last message that is applied, or about to be."""
        return self.position if self.linked is None else self.linked.position

    def _is_old(self, its: Position) -> bool:
        mine = self._mark
        return mine is not None and its.epoch == mine.epoch and its.offset <= mine.offset

    def _has_gone_back(self, position: Position) -> bool:
        """Tell whether the service lost messages that had arrived, as by a loss of Redis, and reuses their offsets."""
        since = self._asked_since
        return since is not None and position.epoch == since.epoch and position.offset < since.offset

    def _take_current(self, current: Pushed) -> None:
        """Handle the current value of a live result at its subscription; an update may have overtaken it."""
        mark = self._mark
        if not current.is_resync and current.position != mark and self._is_old(current.position):
            return
        if current.value is None:
            self.position, self.linked = current.position, None
        else:
            self._apply_or_fetch(current, current.value)

    def _take_lost(self, pushed: Pushed) -> None:
        """Handle the replacement of lost messages; without a value, a `resync` brings it."""
        if pushed.value is None:
            self._awaited_epoch = pushed.position.epoch
        elif not self.is_full:
            self._apply_or_fetch(pushed, pushed.value)

    def _hold(self, pushed: Pushed) -> None:
        its = pushed.position
        if self.is_live:
            if any(each.epoch == its.epoch and each.offset > its.offset for each in self._held):
                return
            self._held = {each: held for each, held in self._held.items() if each.epoch != its.epoch}
        self._held[its] = pushed

    def _bound_held(self) -> None:
        """Drop the held messages with the highest offsets beyond the limit."""
        while len(self._held) > self._limit:
            del self._held[max(self._held, key=lambda each: each.offset)]
            self._has_dropped = True

    def _may_matter_now(self, pushed: Pushed) -> bool:
        """Tell whether this message allows to apply a held one, so that a flood of early messages costs no search."""
        mark = self._mark
        return pushed.is_resync or self.is_live or mark is None or pushed.position.offset == mark.offset + 1

    def _apply_held(self) -> None:
        while (pushed := self._pop_next()) is not None:
            self._apply_or_fetch(pushed, pushed.value or Value())

    def _pop_next(self) -> Pushed | None:
        """Remove and return the held message that can be applied next."""
        mark = self._mark
        if not self._held or mark is None or self.is_full or self.linked is not None or self.error is not None:
            return None
        following = self._held.get(Position(mark.epoch, mark.offset + 1))
        if following is not None and self._fits(following):
            return self._held.pop(following.position)
        self._held = {each: held for each, held in self._held.items() if not self._is_old(each)}
        jumps = [each for each, held in self._held.items() if self._may_jump(held, mark)]
        return self._held.pop(max(jumps, key=lambda each: each.offset)) if jumps else None

    def _may_jump(self, pushed: Pushed, mark: Position) -> bool:
        """Tell whether a message can be applied that does not have the next offset."""
        epoch = pushed.position.epoch
        if pushed.is_resync and epoch == self._awaited_epoch:
            return True
        return epoch == mark.epoch and (pushed.is_resync or self.is_live) and self._fits(pushed)

    def _fits(self, pushed: Pushed) -> bool:
        """Tell whether a message is no patch, or a patch of or to the current value."""
        value = pushed.value
        return value is None or value.patch is None or self._etag in {value.patch.base, value.etag}

    def _apply_or_fetch(self, pushed: Pushed, value: Value) -> None:
        if value.error is not None:
            self.end(value.error)
        elif value.url is not None:
            self.linked = pushed
        elif (patched := self._patched(value)) is None:
            self._has_dropped = True
        else:
            self._apply(pushed, patched)

    def _patched(self, value: Value) -> Value | None:
        """Return a value with its data; None if its patch does not match the current value."""
        if value.patch is None or value.etag == self._etag:
            return value
        try:
            return replace(value, data=value.patch.apply(self.value), patch=None)
        except PatchMismatchError as exc:
            logger.warning("%s: %s Fetching the whole value.", self.topic, exc)
            return None

    def _apply(self, pushed: Pushed, value: Value) -> None:
        if not self._queue:
            self._taken = self.position
        self.position, self.linked, self._awaited_epoch = pushed.position, None, None
        if value.failure is not None:
            logger.warning("the compute of %s fails: %s", pushed.topic, value.failure.message)
            self.failure, self._etag = value.failure, None
            self.has_news = True
            return
        self.failure = None
        if self.is_live:
            if value.etag and value.etag == self._etag:
                return
            self.value, self._etag = value.data, value.etag
            self._queue.clear()
        update = Update(pushed.topic, str(pushed.position), value.data, value.etag, pushed.is_resync)
        self._queue.append(update)
        self.has_news = True
        if not self.is_live and len(self._queue) >= self._limit:
            self.is_full = True
            self._forget_held()

    def _forget_held(self) -> None:
        self._held.clear()
        self._has_dropped = False
        self._awaited_epoch = None
