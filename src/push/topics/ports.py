"""The outside as topics see it: their histories, and how far each shard of subscribers has been pushed them.

As in `push.ports`, every method may raise the `TransientError` named in its docstring and no other error. All that is
kept of a topic is kept in one place, and each method is one atomic step there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from push.computes import Tenant
from push.keys import Key
from push.topics.fan_out_jobs import FanOutJob
from push.topics.histories import Appended, Behind, History, NewMessage, Round, ShardBusy
from push.topics.live_results import ChangePhase
from push.topics.positions import Position
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import Topic


class TopicHistories(Protocol):
    """The history of each topic, as workers read it."""

    async def read(self, topic: Topic, after: Position, limit: int) -> History:
        """See `SyncTopicHistories.read`."""


class SyncTopicHistories(Protocol):
    """The bounded history of each topic, for functions that answer one message at a time.

    A topic has an epoch from when it is first appended to or looked at, until Redis loses it or nobody has used it for
    a day. Offsets begin anew with an epoch. A message stays for its topic's `seconds`, and less than twice that, unless
    `size` others came after it.
    """

    def append(
        self,
        topic: Topic,
        messages: Sequence[NewMessage],
        *,
        size: int,
        seconds: int,
        only_changed: bool = False,
    ) -> tuple[Appended, ...]:
        """Append up to 100 messages, all or none, next to each other and in order; return where each stands.

        Ids are remembered for ten minutes. With `only_changed` a message whose etag is the latest one's is not
        appended, and stands where that one does. Raises CacheUnavailableError, and then they may have been appended.
        """

    def read(self, topic: Topic, after: Position, limit: int) -> History:
        """Return what comes after a position. Raises CacheUnavailableError."""

    def read_latest(self, topic: Topic, limit: int) -> History:
        """Return the latest messages, as a complete history of what comes after the one before them.

        Raises CacheUnavailableError.
        """

    def head(self, topic: Topic) -> Position:
        """Return the latest message's position. Raises CacheUnavailableError."""


class ShardProgress(Protocol):
    """Who pushes a topic's messages to one shard of its subscribers, and how far that has got.

    A queue message only says that there may be something to push. Its receiver takes the shard's lease with `begin`
    and gets a round: messages. It pushes them, in order, to every subscriber of the shard that is not *lagging*. Then
    `advance` moves the shard's cursor and gives the next round; a round without messages means that all is pushed, and
    that the lease has been given back in the same step. So a message appended at any moment is either found by the
    holder or by whom its own queue message brings, who may drop it if the shard is busy.

    A connection that could not be pushed something is handed to `advance` as lagging, with the position it has. It is
    then left out, and brought level by catch-up messages of its own. So that none is missed or left alone:

    - A round asks who lags *after* it has read the subscribers, page by page, and a subscriber that resumes is made
      lagging *before* it is written among them.
    - Nobody stops lagging who has not all that the round under way pushes to the others (`catch_up`).
    - The catch-up messages are sent after `advance`, whatever it answered, and before the queue message is done with.
      A worker that dies in between leaves lagging connections alone: whoever comes next, and its own queue message
      will come again, sends them theirs if they have got nowhere for long.

    Two workers may push the same messages, if one stood still beyond its lease. Each pushes in order and without gaps
    from a position that every subscriber has: what a client has already seen, it drops by its offset.
    """

    async def begin(self, topic: Topic, shard: int, token: str, term_ms: int, limit: int) -> Round | ShardBusy:
        """Take the lease of a shard under a token of the caller's, and return what is to be pushed.

        Nothing of the epoch having been pushed yet, that is all of it. Raises CacheUnavailableError.
        """

    async def advance(
        self,
        topic: Topic,
        shard: int,
        token: str,
        pushed: Position,
        lagging: Mapping[str, Position],
        term_ms: int,
        limit: int,
    ) -> Round | ShardBusy:
        """Move the cursor to the end of the round that was pushed, note who could not be, and return what is next.

        Busy if the lease was lost to somebody else: nothing is noted then, for who has it pushes the same again. Who
        lags already goes on from where it is. Raises CacheUnavailableError.
        """

    async def renew(self, topic: Topic, shard: int, token: str, term_ms: int) -> bool:
        """Extend the lease, and say whether nobody else has it. Raises CacheUnavailableError."""

    async def release(self, topic: Topic, shard: int, token: str) -> None:
        """Give the lease back before all is pushed. Raises CacheUnavailableError."""

    async def lagging(self, topic: Topic, shard: int) -> Mapping[str, Behind]:
        """Return who lags. Raises CacheUnavailableError."""

    async def behind(self, topic: Topic, shard: int, connection_id: str) -> Behind | None:
        """Return how far a lagging connection is; None if it does not lag. Raises CacheUnavailableError."""

    async def catch_up(
        self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position
    ) -> Behind | None:
        """Note how far a lagging connection has been pushed; None if it is level now, and so lags no more.

        Else it must go on from what is returned, which is elsewhere if it fell behind again meanwhile (under another
        mark). Raises CacheUnavailableError.
        """

    async def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """Note nothing more of connections that are gone. Raises CacheUnavailableError."""


class SyncLagging(Protocol):
    """What those need of `ShardProgress` who subscribe and unsubscribe connections, one message at a time."""

    def lag(self, topic: Topic, shard: int, connection_id: str, after: Position) -> str:
        """Note that a connection has nothing after a position, whatever was noted; return the mark of this occasion.

        Raises CacheUnavailableError.
        """

    def catch_up(self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position) -> Behind | None:
        """See `ShardProgress.catch_up`."""

    def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """See `ShardProgress.forget`."""


class FanOutJobSender(Protocol):
    """The fan-out queue's entrance."""

    def send(self, jobs: Sequence[FanOutJob], delay_seconds: int = 0) -> None:
        """Send jobs; all are durable when it returns. Raises QueueUnavailableError."""


class LiveHistories(Protocol):
    """The histories of live results, as those see them who compute."""

    async def append(self, key: Key, token: str, message: NewMessage) -> bool:
        """Append to a key's history while the key's lease is held under `token`, unless the latest etag is the same.

        Returns whether the lease was held; nothing is appended if not. Raises CacheUnavailableError, and then it may
        have been appended.
        """


class RecentChanges(Protocol):
    """What was done of late, for as long as it matters."""

    async def phase(self, key: Key) -> ChangePhase:
        """Return what was last noted of a key. Raises CacheUnavailableError."""

    async def note(self, key: Key, phase: ChangePhase, milliseconds: int) -> None:
        """Note something of a key for so long. Raises CacheUnavailableError."""


class ToldMembers(Protocol):
    """Who a topic's subscribers were last told is there."""

    async def replace(self, topic: Topic, count: int, principals: Sequence[str]) -> tuple[int, Sequence[str]]:
        """Note what is told now and return what was told before, in one step; nobody if that is not known.

        Raises CacheUnavailableError.
        """


class Subscriptions(Protocol):
    """Subscriptions, as those see them who answer one message at a time."""

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Write subscriptions; whoever then reads those of a topic finds them.

        One that is there is replaced. Raises TransientError, and then some may have been written.
        """

    def remove(self, topic: Topic, connection_id: str) -> None:
        """Remove a subscription, if there is one. Raises TransientError."""

    def remove_connection(self, connection_id: str) -> Sequence[Topic]:
        """Remove all subscriptions of a connection but, maybe, those of the last second; return their topics.

        Raises TransientError, and then some may have been removed.
        """

    def count_of(self, connection_id: str, topic: Topic | None = None) -> int:
        """Return how many topics a connection is subscribed to, without, maybe, those of the last second.

        With a topic that one shard is counted which the topic is of. Raises TransientError.
        """

    def add_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Note under each tag that a live result is made from what it names. Raises TransientError."""


class TopicMembers(Protocol):
    """The subscribers of a topic, as those see them who are asked about it."""

    def count(self, topic: Topic) -> int:
        """Return how many connections are subscribed. Raises TransientError."""

    def members(self, topic: Topic, limit: int) -> Sequence[Subscription]:
        """Return the subscriptions, but no more than `limit`. Raises TransientError."""


class Subscribers(Protocol):
    """The subscribers of a topic, as those see them who push to them."""

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        """Return subscriptions of a shard with everything written before, and where the next page starts.

        None is the start of the first page, and what follows the last. Expired ones are left out, so that a page may
        be short or empty. Raises TransientError.
        """

    async def remove_all(self, topic: Topic, connection_ids: Collection[str]) -> None:
        """Remove subscriptions of connections that are gone. Never raises: they expire by themselves otherwise."""


class LiveResults(Protocol):
    """Which live results are made from what, as those see it who hear of changes."""

    async def live_of(self, tenant: Tenant | None, tags: Collection[str]) -> Sequence[LiveResult]:
        """Return the live results that are made from what any of the tags names, each once.

        Tags are a tenant's own; None is the shared scope. Raises TransientError.
        """

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Remove a live result under each tag, unless somebody has subscribed since it was read.

        Never raises: it expires by itself otherwise.
        """
