"""One subscription's messages in order, each once, whatever order and however often they come in.

A message is applied if it is the next one, and only then does the position move. What comes before its time is held:
before `subscribed`, because nobody knows yet where the topic is, and after it because something in between is missing
or the epoch is another. What stays missing is had by subscribing anew since the position, and then comes once more.

- A channel: the next one is the one with the next offset, or a `resync`. If nobody takes what was applied, no more is,
  and what comes is dropped, until there is room and the subscription is made anew.
- A live result: the next one is any that is newer. Of those applied, only the newest waits to be taken, and a value
  that is there already (by its etag) is no news. A patch comes before its time while another value is there than it
  is for, and if what comes out is wrong it is as good as missing: the subscription made anew brings the value.
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
    """What is new of a topic.

    `data` is the message, or the value of a live result, decoded. `position` is where the topic is with it, to
    subscribe `since` later. `etag` changes with the value of a live result, and is "" for channels. With `is_resync`
    something before it is missing, and `data` stands for all of it: a channel's newest message, or None if there is
    none.
    """

    topic: str
    position: str
    # JSON of the publisher's making: the caller alone knows its shape.
    data: Any
    etag: str
    is_resync: bool


class Feed:
    """A subscription as the session keeps it; `limit` is how many updates wait to be taken."""

    def __init__(self, feed_id: str, subject: Subject, since: Position | None, limit: int) -> None:
        self.id = feed_id
        self.subject = subject
        self.topic = subject.topic if isinstance(subject, ChannelSubject) else None
        self.position = since
        self.value: Any = None
        self.failure: PushasideError | None = None
        self.error: PushasideError | None = None
        self.is_subscribed = False
        """Whether it ever was: from then on it is not ended by what may pass."""
        self.holds = False
        """Whether it holds at the moment, as far as is known."""
        self.is_full = False
        self.has_news = False
        """Whether there is something to take, or it has ended, that nobody has been told of."""
        self.linked: Pushed | None = None
        """The message that is applied once its data have been fetched."""
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
        """Whether it is of a live result."""
        return isinstance(self.subject, LiveSubject)

    @property
    def taken(self) -> Position | None:
        """The position of all that was taken; None before anything is known of it."""
        return self._taken if self._queue else self.position

    @property
    def waiting(self) -> int:
        """How many updates wait to be taken."""
        return len(self._queue)

    @property
    def is_missing(self) -> bool:
        """Whether something is known to be missing."""
        if self.is_full or self.linked is not None or self.error is not None:
            return False
        return bool(self._held) or self._has_dropped or self._awaited_epoch is not None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the topic is known to be in another epoch: what is missing will not come by itself."""
        return self.position is not None and any(each.epoch != self.position.epoch for each in self._held)

    def begin(self) -> None:
        """Note that the subscription is made anew, since the position: all that comes after it will come again."""
        self._forget_held()
        self._asked_since = self.position
        self.linked = None

    def take(self) -> Update | None:
        """Take the next update; None if there is none for now."""
        if not self._queue:
            return None
        update = self._queue.popleft()
        self._taken = parse_position(update.position)
        return update

    def make_room(self) -> bool:
        """Tell whether there is room again for a feed that was full."""
        if not self.is_full or len(self._queue) > self._limit // 2:
            return False
        self.is_full = False
        return True

    def end(self, error: PushasideError) -> None:
        """Take nothing more; what was applied can still be taken."""
        self.error = self.error or error
        self.has_news = True
        self.linked = None
        self._forget_held()

    def subscribed(self, subscribed: Subscribed) -> None:
        """Take the answer to what was asked after `begin`."""
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
        """Take a message."""
        if self.error is not None or self.is_full or self._is_old(pushed.position):
            return
        if self.is_live and pushed.value is None:
            # It says only where the topic is: the value is to be asked for.
            self._has_dropped = True
            return
        self._hold(pushed)
        if self._may_matter_now(pushed):
            self._apply_held()
        self._bound_held()

    def fetched(self, pushed: Pushed, value: Value) -> None:
        """Take the data of `linked`, unless something else has taken its place."""
        if self.linked is pushed:
            self._apply(pushed, value)
            self._apply_held()

    def skip_linked(self) -> bool:
        """Give up the data that can't be fetched if there is a newer value; tell whether there is."""
        if self.linked is None or not self.is_live or not self._held:
            return False
        self.position, self.linked = self.linked.position, None
        self._apply_held()
        return True

    @property
    def _mark(self) -> Position | None:
        """The position of what is applied, or is about to be."""
        return self.position if self.linked is None else self.linked.position

    def _is_old(self, its: Position) -> bool:
        mine = self._mark
        return mine is not None and its.epoch == mine.epoch and its.offset <= mine.offset

    def _has_gone_back(self, position: Position) -> bool:
        """Tell whether the service has forgotten messages that had come: Redis lost them, and their offsets return."""
        since = self._asked_since
        return since is not None and position.epoch == since.epoch and position.offset < since.offset

    def _take_current(self, current: Pushed) -> None:
        """Take a live result as it was when it was subscribed to; an update may have overtaken it."""
        mark = self._mark
        if not current.is_resync and current.position != mark and self._is_old(current.position):
            return
        if current.value is None:
            self.position, self.linked = current.position, None
        else:
            self._apply_or_fetch(current, current.value)

    def _take_lost(self, pushed: Pushed) -> None:
        """Take what stands for messages that are lost; without it, a `resync` will bring it."""
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
        """Let those go that are furthest from being the next one."""
        while len(self._held) > self._limit:
            del self._held[max(self._held, key=lambda each: each.offset)]
            self._has_dropped = True

    def _may_matter_now(self, pushed: Pushed) -> bool:
        """Tell whether anything can be applied that could not before; a flood of what is too early costs no search."""
        mark = self._mark
        return pushed.is_resync or self.is_live or mark is None or pushed.position.offset == mark.offset + 1

    def _apply_held(self) -> None:
        while (pushed := self._pop_next()) is not None:
            self._apply_or_fetch(pushed, pushed.value or Value())

    def _pop_next(self) -> Pushed | None:
        """Take out the message that can be applied next."""
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
        """Tell whether a message can be applied that is not the following one."""
        epoch = pushed.position.epoch
        if pushed.is_resync and epoch == self._awaited_epoch:
            return True
        return epoch == mark.epoch and (pushed.is_resync or self.is_live) and self._fits(pushed)

    def _fits(self, pushed: Pushed) -> bool:
        """Tell whether a message is no patch, or one for the value that is there, or to it."""
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
        """Return a value with its data; None if it is a patch that makes something else of what is there."""
        if value.patch is None or value.etag == self._etag:
            return value
        try:
            return replace(value, data=value.patch.apply(self.value), patch=None)
        except PatchMismatchError as exc:
            logger.warning("%s: %s It is asked for.", self.topic, exc)
            return None

    def _apply(self, pushed: Pushed, value: Value) -> None:
        if not self._queue:
            self._taken = self.position
        self.position, self.linked, self._awaited_epoch = pushed.position, None, None
        if value.failure is not None:
            logger.warning("%s can't be computed: %s", pushed.topic, value.failure.message)
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
