"""Ports of topics: histories, the progress of fan-out, subscriptions, and the fan-out queue.

A method raises only the errors that its docstring names. Each method of a history and of `ShardProgress` is one atomic
step, because all data of a topic is in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from push.keys import Key
from push.tags import TagScope
from push.topics.fan_out_jobs import FanOutJob
from push.topics.positions import Position
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import Topic

if TYPE_CHECKING:
    # A connection is recorded without them and without the stored form of results.
    from push.topics.histories import Appended, Behind, History, NewMessage, Round, ShardBusy
    from push.topics.live_results import ChangePhase
    from push.topics.subscriptions import LinkMark


class TopicHistories(Protocol):
    """The history of each topic, for workers, which only read it."""

    async def read(self, topic: Topic, after: Position, limit: int) -> History:
        """See `SyncTopicHistories.read`."""


class SyncTopicHistories(Protocol):
    """The bounded history of each topic, for functions that answer one message at a time.

    A topic's epoch begins with the first append or read. It ends when Redis loses the topic, or after a day without
    use. Each epoch counts offsets from the start. A message expires after its topic's `seconds`, within twice that
    time, or once `size` newer messages follow it.
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
        """Append up to 100 messages atomically, in order and adjacent; return the position of each.

        A message whose id was appended in the last ten minutes is not appended again. With `only_changed`, neither is a
        message with the latest message's etag. Such a message has the position of the earlier one. Raises
        CacheUnavailableError; then the messages may have been appended.
        """

    def read(self, topic: Topic, after: Position, limit: int) -> History:
        """Return up to `limit` messages after a position. Raises CacheUnavailableError."""

    def read_latest(self, topic: Topic, limit: int) -> History:
        """Return the latest `limit` messages as a complete history.

        Raises CacheUnavailableError.
        """

    def head(self, topic: Topic) -> Position:
        """Return the position of the latest message. Raises CacheUnavailableError."""


class ShardProgress(Protocol):
    """The lease and the cursor of each shard of a topic's subscribers, and the connections that lag behind the cursor.

    A nudge on the queue only tells that a topic may have new messages. Its worker takes the shard's lease with `begin`
    and gets a round of messages. It pushes them, in order, to every subscriber of the shard that does not *lag*. Then
    `advance` moves the shard's cursor and returns the next round. An empty round means that all messages are pushed;
    the same step released the lease. So for each message, either the lease's holder finds it, or the worker with the
    message's own nudge does. A worker that finds the shard busy may drop its nudge.

    The worker passes connections that it could not push to `advance` as lagging, each with its position. Rounds then
    skip a lagging connection, and its own catch-up jobs push what it lacks. These rules ensure that no message is
    missed and no connection stays behind:

    - A round reads the lagging connections *after* each page of subscribers. A subscriber that passes a position is
      marked as lagging *before* its row is written, so it receives what it missed first.
    - A connection stops lagging only once it has every message of the round in progress (`catch_up`).
    - The worker sends the catch-up jobs after `advance`, whatever its answer, and before it acknowledges the nudge. If
      it dies in between, its nudge is redelivered. The next worker resends the jobs of connections without progress for
      long.

    Two workers may push the same messages if one stalled beyond its lease. Each pushes in order and without gaps from a
    position that every subscriber has reached. Clients drop repeats by their offset.
    """

    async def begin(self, topic: Topic, shard: int, token: str, term_ms: int, limit: int) -> Round | ShardBusy:
        """Take a shard's lease under the caller's token, and return the messages after the cursor.

        A new epoch's cursor is before its first message. Taking the lease again under the same token succeeds. Raises
        CacheUnavailableError; then the lease may be held under the token.
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
        """Move the cursor to `pushed`, mark connections as lagging, renew the lease, and return the next round.

        Returns ShardBusy if another worker has the lease. Then nothing is recorded, because that worker pushes the same
        messages. A connection that already lags keeps its position. Raises CacheUnavailableError; then the step may
        have been taken.
        """

    async def renew(self, topic: Topic, shard: int, token: str, term_ms: int) -> bool:
        """Extend the lease; return False if another worker has it. Raises CacheUnavailableError."""

    async def release(self, topic: Topic, shard: int, token: str) -> None:
        """Release the lease, if it is held under the token, before all is pushed. Raises CacheUnavailableError."""

    async def lagging(self, topic: Topic, shard: int) -> Mapping[str, Behind]:
        """Return the lagging connections of a shard, by id. Raises CacheUnavailableError."""

    async def behind(self, topic: Topic, shard: int, connection_id: str) -> Behind | None:
        """Return a lagging connection's position; None if it does not lag. Raises CacheUnavailableError."""

    async def catch_up(
        self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position
    ) -> Behind | None:
        """Record the position that a lagging connection has reached; return None if it no longer lags.

        Otherwise the caller continues from the returned position. If the connection fell behind again meanwhile, that
        position has a different mark. Raises CacheUnavailableError.
        """

    async def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """Remove closed connections from the lagging ones. Idempotent. Raises CacheUnavailableError."""


class SyncLagging(Protocol):
    """The part of `ShardProgress` for functions that subscribe and unsubscribe connections."""

    def lag(self, topic: Topic, shard: int, connection_id: str, after: Position) -> str:
        """Mark a connection as lagging from a position, replacing an earlier mark; return the new mark.

        Raises CacheUnavailableError.
        """

    def catch_up(self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position) -> Behind | None:
        """See `ShardProgress.catch_up`."""

    def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """See `ShardProgress.forget`."""


class FanOutJobSender(Protocol):
    """The sender to the fan-out queue."""

    def send(self, jobs: Sequence[FanOutJob], delay_seconds: int = 0) -> None:
        """Send jobs with a delay; all are durable when it returns. Raises QueueUnavailableError."""


class LiveHistories(Protocol):
    """The histories of live results, for workers that compute."""

    async def append(self, key: Key, token: str, message: NewMessage, *, only_changed: bool = True) -> bool:
        """Append to a key's history if its lease is held under `token`. Atomic.

        With `only_changed`, nothing is appended if the latest etag is the same. Returns whether the lease was held; if
        not, nothing is appended. Raises CacheUnavailableError; then the message may have been appended.
        """


class RecentChanges(Protocol):
    """The recent phases of live results whose sources change, each kept for a limited time."""

    async def phase(self, key: Key) -> ChangePhase:
        """Return the key's phase; NONE if none is recorded. Raises CacheUnavailableError."""

    async def note(self, key: Key, phase: ChangePhase, milliseconds: int) -> None:
        """Record the key's phase for some milliseconds. Idempotent. Raises CacheUnavailableError."""


class ToldMembers(Protocol):
    """The members that a topic's subscribers were last told."""

    async def replace(self, topic: Topic, count: int, principals: Sequence[str]) -> tuple[int, Sequence[str]]:
        """Record the members told now and return those told before, atomically; none if nothing was recorded.

        Raises CacheUnavailableError.
        """


class Subscriptions(Protocol):
    """Subscriptions, for functions that answer one message at a time."""

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Write subscriptions; later reads of a topic's subscribers include them.

        An existing subscription is replaced. Raises TransientError; then some may have been written.
        """

    def remove(self, topic: Topic, connection_id: str) -> None:
        """Remove a subscription. Idempotent. Raises TransientError."""

    def remove_connection(self, connection_id: str) -> Sequence[Topic]:
        """Remove all subscriptions of a connection and return their topics; those of the last second may remain.

        Raises TransientError; then some may have been removed.
        """

    def count_of(self, connection_id: str, topic: Topic | None = None) -> int:
        """Return the number of topics that a connection subscribes to; those of the last second may be missing.

        With a topic, only the topic's shard is counted. Raises TransientError.
        """

    def add_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Record under each tag that a live result depends on it. Idempotent. Raises TransientError."""


class TopicMembers(Protocol):
    """The subscribers of a topic, for functions that report on it."""

    def count(self, topic: Topic) -> int:
        """Return the number of subscribed connections. Raises TransientError."""

    def members(self, topic: Topic, limit: int) -> Sequence[Subscription]:
        """Return up to `limit` subscriptions. Raises TransientError."""


class Subscribers(Protocol):
    """The subscribers of a topic, for workers that push to them."""

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        """Return a page of a shard's subscriptions, with all earlier writes, and the start of the next page.

        A start of None means the first page, and a next start of None that this page is the last. Expired subscriptions
        are omitted, so a page may be short or empty. Raises TransientError.
        """

    async def find(self, topic: Topic, connection_id: str) -> Subscription | None:
        """Return a connection's subscription, with all earlier writes; None if there is none or it has expired.

        Raises TransientError.
        """

    async def remove_all(self, topic: Topic, connection_ids: Collection[str]) -> None:
        """Remove the subscriptions of closed connections. Never raises: a subscription that is left expires."""


class LiveLinks(Protocol):
    """The links from tags to live results, for workers that compute."""

    async def add(self, tags: Collection[str], live: LiveResult) -> None:
        """See `Subscriptions.add_live`."""


class LinkMarks(Protocol):
    """The mark of each key that names the tags linked to its subscribers, so that not every fill writes them again.

    A worker that has stored a result reads the mark. If it names the result's tags, their links are there: the worker
    writes none. Otherwise it begins a mark under a token of its own, writes the links, and confirms the mark. A mark
    lasts for `LINKED_SECONDS`, and a link longer than a subscription that is made at the end of that time.

    A change forgets the mark before it checks once more that a key has no subscribers, and only then removes the links
    that it had read before. So a worker never relies on a link that is removed behind a subscriber. Let a subscriber
    write its row; if that is before the check, nothing is removed. If it is after the check, the mark was forgotten
    before. The subscriber reads the stored result after it wrote its row, and writes the links of that result itself. A
    result that is stored later finds no mark, or one that was begun after the change forgot the mark. Links written
    under such a mark are newer than those that the change had read, and it does not remove them (`remove_live`).

    Without its mark, as when Redis has lost it or its worker died, a key's links are written again.
    """

    async def read(self, key: Key) -> LinkMark:
        """Return the key's mark and its generation, atomically. Raises CacheUnavailableError."""

    async def begin(self, key: Key, token: str) -> None:
        """Replace the key's mark by one that names nothing yet. Raises CacheUnavailableError."""

    async def confirm(self, key: Key, token: str, digest: str) -> None:
        """Let the mark name tags, unless it was forgotten or begun by another since. Raises CacheUnavailableError."""

    async def forget(self, key: Key) -> None:
        """Remove the key's mark. Idempotent. Raises CacheUnavailableError."""


class LiveResults(Protocol):
    """The live results that depend on tags, for workers that handle changes."""

    async def live_of(self, scope: TagScope, tags: Collection[str]) -> Sequence[LiveResult]:
        """Return the live results that depend on any of the tags in a scope, each once. Raises TransientError."""

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Remove a live result under each tag, unless a client has subscribed since it was read.

        Never raises: a live result that is left expires.
        """
