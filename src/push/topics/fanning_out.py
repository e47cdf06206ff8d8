"""Fan-out of a topic's new messages to its subscribers, in order; a slow subscriber delays no other.

`push.topics.ports.ShardProgress` explains why no message is missed when workers die. This module is one worker: `nudge`
pushes to a shard's subscribers, and `catch_up` pushes to one connection that lags or resumes.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from push.backoff import backoff_seconds
from push.delivery.ports import GoneConnections, Posted, PostOutcome, Series, SeriesConnections
from push.errors import TransientError
from push.metrics import Counter, Metric
from push.topics.fan_out_jobs import CatchUp, FanOutJob, Farewell, Nudge, PresenceLook
from push.topics.farewells import farewell_delay_seconds, render_bye
from push.topics.histories import Behind, Round, ShardBusy
from push.topics.patched_updates import PatchedUpdates
from push.topics.ports import ShardProgress, Subscribers, TopicHistories
from push.topics.positions import Position
from push.topics.presence import LOOK_SECONDS
from push.topics.rights import SubscriberRights
from push.topics.subscriptions import PATCH, Subscription
from push.topics.topics import Topic, shard_of
from push.topics.update_frames import Link, Step, render_history

TERM_MS = 12_000
"""The term of a shard's lease; longer than one `post_series` takes, so a live worker renews it in time."""

STUCK_MS = 90_000
"""A lagging connection without progress for this long has no catch-up job: its worker died."""

LEFT_MS = 10_000
"""The same for a redelivered nudge. If its first worker died, it has been dead for this long: it marked connections as
lagging within 20 s of receiving the nudge, and the queue hides a nudge for 30 s."""

ROUND_MESSAGES = 50
PAGE_CONNECTIONS = 1000
_PUSHES_AT_ONCE = 5000
"""The most frames passed to `post_series` in one call, which takes a good part of a second."""

MAX_ATTEMPTS = 18
"""About ten minutes without success; after that a connection is retried only when there is a new message."""

_OUTCOMES = {
    PostOutcome.GONE: "gone",
    PostOutcome.RETRY: "retried",
    PostOutcome.REFUSED: "failed",
}

SendJobs = Callable[[Sequence[FanOutJob], int], Awaitable[None]]
"""`push.topics.ports.FanOutJobSender.send`, without blocking the event loop."""


class _Pushed(msgspec.Struct):
    """The outcome of a round: connections that lag now, with their positions, and connections that are closed."""

    late: dict[str, Position] = msgspec.field(default_factory=dict)
    gone: list[str] = msgspec.field(default_factory=list)


class LeftAloneError(TransientError):
    """Lagging connections have no catch-up job; a redelivered nudge finds them once they lag for `LEFT_MS`."""


class Receipt(msgspec.Struct, frozen=True):
    """One receipt of a queue message.

    `token` belongs to the message, not to its receiver. So if Redis granted a lease and the reply was lost, the next
    receiver of the message holds that lease. At `until_ms` the worker starts nothing new. The earlier receiver of a
    redelivered message may have died.
    """

    token: str
    until_ms: int
    is_redelivered: bool = False


class FanningOut(msgspec.Struct, frozen=True, kw_only=True):
    """Fans out for one execution environment.

    Args:
        progress: the shards' leases and cursors, and the lagging connections.
        histories: the messages for catch-ups.
        subscribers: the subscribers of topics.
        connections: the management API.
        records: removes connections that a push found closed.
        send: sends jobs to the fan-out queue with a delay in seconds; raises QueueUnavailableError.
        link: makes links to data that exceeds a message.
        counter: counts outcomes.
        now_ms: the clock, in milliseconds since 1970.
        random: returns a number in [0, 1); spreads retries.
        patched: renders the frames for subscribers that apply patches.
        rights: ends subscriptions whose right has ended.
        has_presence: returns whether a topic's namespace has presence.

    """

    progress: ShardProgress
    histories: TopicHistories
    subscribers: Subscribers
    connections: SeriesConnections
    records: GoneConnections
    send: SendJobs
    link: Link
    counter: Counter
    now_ms: Callable[[], int]
    random: Callable[[], float]
    patched: PatchedUpdates | None = None
    rights: SubscriberRights | None = None
    has_presence: Callable[[Topic], bool] = lambda _topic: False

    async def nudge(self, topic: Topic, shard: int, receipt: Receipt) -> None:
        """Push new messages to a shard's subscribers; when the time is over, send another nudge for the rest.

        Raises:
            LeftAloneError: the nudge must be redelivered once connections have lagged for `LEFT_MS`.
            TransientError: a dependency did not answer; the nudge must be redelivered.

        """
        try:
            await self._nudge(topic, shard, receipt)
        except TransientError:
            await self._release_if_possible(topic, shard, receipt.token)
            raise

    async def _nudge(self, topic: Topic, shard: int, receipt: Receipt) -> None:
        token = receipt.token
        found = await self.progress.begin(topic, shard, token, TERM_MS, ROUND_MESSAGES)
        if isinstance(found, ShardBusy):
            await self._leave_to_holder(topic, shard, found, is_redelivered=receipt.is_redelivered)
            if receipt.is_redelivered:
                await self._find_stuck(topic, shard, LEFT_MS)
            return
        while isinstance(found, Round) and not _is_empty(found):
            pushed = await self._push_round(topic, shard, token, found, receipt.until_ms)
            if pushed is None:
                await self.progress.release(topic, shard, token)
                await self.send([Nudge(topic.storage, shard)], 0)
                return
            end = found.history.end
            try:
                found = await self.progress.advance(topic, shard, token, end, pushed.late, TERM_MS, ROUND_MESSAGES)
            finally:
                # Also if the mark may not be stored: a catch-up for a connection that is not lagging is a no-op.
                await self._send_catch_ups(topic, pushed.late)
            await self._remove(topic, shard, pushed.gone)
        await self._find_stuck(topic, shard, LEFT_MS if receipt.is_redelivered else STUCK_MS)

    async def _leave_to_holder(self, topic: Topic, shard: int, busy: ShardBusy, *, is_redelivered: bool) -> None:
        # The holder finds all new messages. It renews the lease long before it ends, so a lease near its end has a dead
        # holder. For a redelivered nudge the lease may have no holder: Redis granted it, but the reply was lost.
        if is_redelivered or busy.left_ms < TERM_MS // 3:
            await self.send([Nudge(topic.storage, shard)], math.ceil(busy.left_ms / 1000))

    async def _release_if_possible(self, topic: Topic, shard: int, token: str) -> None:
        # Otherwise the lease ends by itself.
        with suppress(TransientError):
            await self.progress.release(topic, shard, token)

    async def _push_round(self, topic: Topic, shard: int, token: str, found: Round, until_ms: int) -> _Pushed | None:
        """Push a round to all subscribers that do not lag; None if the time is over or the lease is lost."""
        steps = render_history(topic, found.history, self.link)
        full = [step.frame for step in steps]
        patched: Sequence[bytes] | None = None
        pushed = _Pushed()
        at_once = max(1, _PUSHES_AT_ONCE // max(1, len(full)))
        start: str | None = None
        renewed_ms = self.now_ms()
        while True:
            page, start = await self.subscribers.page(topic, shard, start, PAGE_CONNECTIONS)
            # After the page: a subscriber that resumes is marked as lagging before its row is written.
            lagging = await self.progress.lagging(topic, shard)
            level: Sequence[Subscription] = [each for each in page if each.connection_id not in lagging]
            if self.rights is not None:
                level = await self.rights.keep(topic, level, found.history.end)
            if patched is None and self.patched is not None and any(PATCH in each.options for each in level):
                patched = await self.patched.frames(topic, found, full)
            for first in range(0, len(level), at_once):
                now_ms = self.now_ms()
                if now_ms >= until_ms:
                    return None
                if now_ms - renewed_ms > TERM_MS // 4:
                    renewed_ms = now_ms
                    if not await self.progress.renew(topic, shard, token, TERM_MS):
                        return None
                now = level[first : first + at_once]
                series = [Series(each.connection_id, (PATCH in each.options and patched) or full) for each in now]
                self._sort(series, await self._post(series), found.after, steps, pushed)
            if start is None:
                return pushed

    async def _post(self, series: Sequence[Series]) -> list[Posted]:
        posted = await self.connections.post_series(series)
        delivered = sum(each.delivered for each in posted)
        tally = Tally(_OUTCOMES[each.outcome] for each in posted if each.outcome is not PostOutcome.DELIVERED)
        for outcome, number in {"delivered": delivered, **tally}.items():
            if number:
                self.counter.count(Metric.PUSH, number, dimension=("Outcome", outcome))
        return posted

    def _sort(
        self,
        series: Sequence[Series],
        posted: Sequence[Posted],
        after: Position,
        steps: Sequence[Step],
        pushed: _Pushed,
    ) -> None:
        for each, came in zip(series, posted, strict=True):
            match came.outcome:
                case PostOutcome.DELIVERED:
                    continue
                case PostOutcome.GONE:
                    pushed.gone.append(each.connection_id)
                case PostOutcome.RETRY | PostOutcome.REFUSED:
                    pushed.late[each.connection_id] = _reached(after, steps, came)

    async def _send_catch_ups(self, topic: Topic, late: Mapping[str, Position]) -> None:
        if late:
            try:
                await self.send([CatchUp(topic.storage, connection_id) for connection_id in late], 1)
            except TransientError as exc:
                raise LeftAloneError(exc.message, code=exc.code) from exc

    async def _find_stuck(self, topic: Topic, shard: int, stuck_ms: int) -> None:
        """Send catch-up jobs again for lagging connections without progress, whose worker died."""
        old_ms = self.now_ms() - stuck_ms
        lagging = await self.progress.lagging(topic, shard)
        stuck = {connection_id: behind for connection_id, behind in lagging.items() if behind.noted_at_ms < old_ms}
        if stuck:
            await self.send([CatchUp(topic.storage, connection_id) for connection_id in stuck], 0)
            # Recorded as of now, so that the next nudges do not send the same jobs before these are received.
            for connection_id, behind in stuck.items():
                await self._note(topic, connection_id, behind, behind.position)

    async def catch_up(self, topic: Topic, connection_id: str, attempt: int, until_ms: int) -> None:
        """Push a lagging connection the messages that it lacks, and requeue the job if a push fails.

        Raises:
            TransientError: a dependency did not answer; the job must be redelivered.

        """
        shard = shard_of(connection_id)
        behind = await self.progress.behind(topic, shard, connection_id)
        while behind is not None:
            if self.now_ms() >= until_ms:
                await self.send([CatchUp(topic.storage, connection_id, attempt)], 0)
                return
            history = await self.histories.read(topic, behind.position, ROUND_MESSAGES)
            if self.rights is not None and not await self.rights.may_catch_up(topic, connection_id, history.end):
                await self.progress.forget(topic, shard, [connection_id])
                return
            steps = render_history(topic, history, self.link)
            (posted,) = await self._post([Series(connection_id, [step.frame for step in steps])])
            if posted.outcome is PostOutcome.GONE:
                await self._remove(topic, shard, [connection_id])
                return
            has_failed = posted.outcome is not PostOutcome.DELIVERED
            reached = _reached(behind.position, steps, posted) if has_failed else history.end
            before, behind = behind, await self._note(topic, connection_id, behind, reached)
            if posted.delivered:
                attempt = 1
            if has_failed and behind is not None:
                await self._try_later(topic, connection_id, attempt, is_same=before.mark == behind.mark)
                return

    async def say_farewell(self, farewell: Farewell) -> None:
        """Warn a connection that it will close, if the farewell is due; otherwise requeue the farewell.

        The push is not retried: a client that misses it reconnects after the close. Raises QueueUnavailableError.
        """
        now_ms = self.now_ms()
        if delay_seconds := farewell_delay_seconds(farewell, now_ms):
            await self.send([farewell], delay_seconds)
            return
        await self._post([Series(farewell.connection_id, [render_bye(farewell, now_ms).encode()])])

    async def _note(self, topic: Topic, connection_id: str, behind: Behind, reached: Position) -> Behind | None:
        return await self.progress.catch_up(topic, shard_of(connection_id), connection_id, behind.mark, reached)

    async def _try_later(self, topic: Topic, connection_id: str, attempt: int, *, is_same: bool) -> None:
        if is_same and attempt >= MAX_ATTEMPTS:
            return
        delay_seconds = math.ceil(backoff_seconds(attempt, (1 + self.random()) / 2))
        await self.send([CatchUp(topic.storage, connection_id, attempt + 1)], delay_seconds)

    async def _remove(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """Remove closed connections from subscriptions, progress and records."""
        if connection_ids:
            await self.subscribers.remove_all(topic, connection_ids)
            await self.progress.forget(topic, shard, connection_ids)
            await self.records.forget(connection_ids)
            if self.has_presence(topic):
                await self.send([PresenceLook(topic.storage)], LOOK_SECONDS)


def _is_empty(found: Round) -> bool:
    return found.history.is_complete and not found.history.messages


def _reached(after: Position, steps: Sequence[Step], posted: Posted) -> Position:
    return steps[posted.delivered - 1].reached if posted.delivered else after
