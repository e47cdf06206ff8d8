"""Fan-out: what is new in a topic's history gets to its subscribers, in order, and nobody waits for the slow.

How that holds whoever dies is told with `push.topics.ports.ShardProgress`. Here is one worker: `nudge` goes through a
shard's subscribers, and `catch_up` brings one level that could not be pushed something, or resumes.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

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
from push.topics.subscriptions import PATCH
from push.topics.topics import Topic, shard_of
from push.topics.update_frames import Link, Step, render_history

TERM_MS = 12_000
"""Of a shard's lease; longer than one `post_series` takes, and so than one goes without renewing it."""

STUCK_MS = 90_000
"""A lagging connection that nobody has tried for so long has been left alone by a worker that died."""

LEFT_MS = 10_000
"""The same where a nudge comes again: whoever had it first has been dead for so long, if that is why. He noted who lags
20 s after he received it at the latest, and the queue hides it for 30."""

ROUND_MESSAGES = 50
PAGE_CONNECTIONS = 1000
_PUSHES_AT_ONCE = 5000
"""How many frames are handed to `post_series` in one call: what takes a good part of a second."""

MAX_ATTEMPTS = 18
"""About ten minutes without any success; then a connection is only tried again when there is something new."""

_OUTCOMES = {
    PostOutcome.GONE: "gone",
    PostOutcome.RETRY: "retried",
    PostOutcome.REFUSED: "failed",
}

SendJobs = Callable[[Sequence[FanOutJob], int], Awaitable[None]]
"""`push.topics.ports.FanOutJobSender.send`, without holding up others."""


@dataclass(slots=True)
class _Pushed:
    """What came of pushing to a shard's subscribers: who lags now, and who is gone."""

    late: dict[str, Position] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


class LeftAloneError(TransientError):
    """Connections that lag have no catch-up message, which only shows when they have lagged for `LEFT_MS`."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message of the queue, as it was received this time.

    `token` is the message's own, whoever has it: so a lease that Redis gave to its receiver without being able to say
    so is there for the next one. Nothing more is begun at `until_ms`. Who had a redelivered one may have died with it.
    """

    token: str
    until_ms: int
    is_redelivered: bool = False


class FanningOut:
    """Fans out for one execution environment.

    Args:
        progress: leases, cursors and who lags.
        histories: what those read who catch up.
        subscribers: who is to be pushed what.
        connections: the management API.
        records: where connections found gone are removed.
        send: sends jobs to the fan-out queue, not to be seen before so many seconds; raises QueueUnavailableError.
        link: makes the links to what fits no message.
        counter: where outcomes are counted.
        now_ms: the clock, in milliseconds since 1970.
        random: in [0, 1), spreads the next tries.
        patched: what those are pushed who apply patches.
        has_presence: says of a topic whether its subscribers are told who else is there.

    """

    def __init__(
        self,
        *,
        progress: ShardProgress,
        histories: TopicHistories,
        subscribers: Subscribers,
        connections: SeriesConnections,
        records: GoneConnections,
        send: SendJobs,
        link: Link,
        counter: Counter,
        now_ms: Callable[[], int],
        random: Callable[[], float],
        patched: PatchedUpdates | None = None,
        has_presence: Callable[[Topic], bool] = lambda _topic: False,
    ) -> None:
        self._progress = progress
        self._histories = histories
        self._subscribers = subscribers
        self._connections = connections
        self._records = records
        self._send = send
        self._link = link
        self._counter = counter
        self._now_ms = now_ms
        self._random = random
        self._patched = patched
        self._has_presence = has_presence

    async def nudge(self, topic: Topic, shard: int, receipt: Receipt) -> None:
        """Push what is new to a shard's subscribers; what is left when the time is over is left to another nudge.

        Raises:
            LeftAloneError: the nudge must come back when connections have lagged for `LEFT_MS`.
            TransientError: something did not answer, and the nudge must come back.

        """
        try:
            await self._nudge(topic, shard, receipt)
        except TransientError:
            await self._release_if_possible(topic, shard, receipt.token)
            raise

    async def _nudge(self, topic: Topic, shard: int, receipt: Receipt) -> None:
        token = receipt.token
        found = await self._progress.begin(topic, shard, token, TERM_MS, ROUND_MESSAGES)
        if isinstance(found, ShardBusy):
            await self._leave_to_holder(topic, shard, found, is_redelivered=receipt.is_redelivered)
            if receipt.is_redelivered:
                await self._find_stuck(topic, shard, LEFT_MS)
            return
        while isinstance(found, Round) and not _is_empty(found):
            pushed = await self._push_round(topic, shard, token, found, receipt.until_ms)
            if pushed is None:
                await self._progress.release(topic, shard, token)
                await self._send([Nudge(topic.storage, shard)], 0)
                return
            end = found.history.end
            try:
                found = await self._progress.advance(topic, shard, token, end, pushed.late, TERM_MS, ROUND_MESSAGES)
            finally:
                # Also if nobody knows whether they are noted as lagging: who is not needs nothing, and is sent nothing.
                await self._send_catch_ups(topic, pushed.late)
            await self._remove(topic, shard, pushed.gone)
        await self._find_stuck(topic, shard, LEFT_MS if receipt.is_redelivered else STUCK_MS)

    async def _leave_to_holder(self, topic: Topic, shard: int, busy: ShardBusy, *, is_redelivered: bool) -> None:
        # Who holds the lease finds all that is new. But it is renewed long before it ends, unless its holder is dead.
        # Where a nudge comes again it may be nobody's: Redis gave it to another message of the same, and could not say.
        if is_redelivered or busy.left_ms < TERM_MS // 3:
            await self._send([Nudge(topic.storage, shard)], math.ceil(busy.left_ms / 1000))

    async def _release_if_possible(self, topic: Topic, shard: int, token: str) -> None:
        # Else it ends by itself.
        with suppress(TransientError):
            await self._progress.release(topic, shard, token)

    async def _push_round(self, topic: Topic, shard: int, token: str, found: Round, until_ms: int) -> _Pushed | None:
        """Push a round to all who do not lag; None if not all could be: the time is over, or the lease is lost."""
        steps = render_history(topic, found.history, self._link)
        full = [step.frame for step in steps]
        patched: Sequence[bytes] | None = None
        pushed = _Pushed()
        at_once = max(1, _PUSHES_AT_ONCE // max(1, len(full)))
        start: str | None = None
        renewed_ms = self._now_ms()
        while True:
            page, start = await self._subscribers.page(topic, shard, start, PAGE_CONNECTIONS)
            # In this order: who resumes lags before the row is written.
            lagging = await self._progress.lagging(topic, shard)
            level = [each for each in page if each.connection_id not in lagging]
            if patched is None and self._patched is not None and any(PATCH in each.options for each in level):
                patched = await self._patched.frames(topic, found, full)
            for first in range(0, len(level), at_once):
                now_ms = self._now_ms()
                if now_ms >= until_ms:
                    return None
                if now_ms - renewed_ms > TERM_MS // 4:
                    renewed_ms = now_ms
                    if not await self._progress.renew(topic, shard, token, TERM_MS):
                        return None
                now = level[first : first + at_once]
                series = [Series(each.connection_id, (PATCH in each.options and patched) or full) for each in now]
                self._sort(series, await self._post(series), found.after, steps, pushed)
            if start is None:
                return pushed

    async def _post(self, series: Sequence[Series]) -> list[Posted]:
        posted = await self._connections.post_series(series)
        delivered = sum(each.delivered for each in posted)
        tally = Tally(_OUTCOMES[each.outcome] for each in posted if each.outcome is not PostOutcome.DELIVERED)
        for outcome, number in {"delivered": delivered, **tally}.items():
            if number:
                self._counter.count(Metric.PUSH, number, dimension=("Outcome", outcome))
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
                await self._send([CatchUp(topic.storage, connection_id) for connection_id in late], 1)
            except TransientError as exc:
                raise LeftAloneError(exc.message, code=exc.code) from exc

    async def _find_stuck(self, topic: Topic, shard: int, stuck_ms: int) -> None:
        """Send those their catch-up messages again who were left alone by a worker that died."""
        old_ms = self._now_ms() - stuck_ms
        lagging = await self._progress.lagging(topic, shard)
        stuck = {connection_id: behind for connection_id, behind in lagging.items() if behind.noted_at_ms < old_ms}
        if stuck:
            await self._send([CatchUp(topic.storage, connection_id) for connection_id in stuck], 0)
            # Noted as of now, so that the next nudges, however many, do not send the same before these have come.
            for connection_id, behind in stuck.items():
                await self._note(topic, connection_id, behind, behind.position)

    async def catch_up(self, topic: Topic, connection_id: str, attempt: int, until_ms: int) -> None:
        """Push a lagging connection what it lacks; what can't be pushed now is tried again later.

        Raises:
            TransientError: something did not answer, and the message must come back.

        """
        shard = shard_of(connection_id)
        behind = await self._progress.behind(topic, shard, connection_id)
        while behind is not None:
            if self._now_ms() >= until_ms:
                await self._send([CatchUp(topic.storage, connection_id, attempt)], 0)
                return
            history = await self._histories.read(topic, behind.position, ROUND_MESSAGES)
            steps = render_history(topic, history, self._link)
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
        """Tell a connection that it will be closed, if it is time; else send the farewell on its way again.

        Once is enough: who misses it is closed without, and comes back all the same. Raises QueueUnavailableError.
        """
        now_ms = self._now_ms()
        if delay_seconds := farewell_delay_seconds(farewell, now_ms):
            await self._send([farewell], delay_seconds)
            return
        await self._post([Series(farewell.connection_id, [render_bye(farewell, now_ms).encode()])])

    async def _note(self, topic: Topic, connection_id: str, behind: Behind, reached: Position) -> Behind | None:
        return await self._progress.catch_up(topic, shard_of(connection_id), connection_id, behind.mark, reached)

    async def _try_later(self, topic: Topic, connection_id: str, attempt: int, *, is_same: bool) -> None:
        if is_same and attempt >= MAX_ATTEMPTS:
            return
        delay_seconds = math.ceil(backoff_seconds(attempt, (1 + self._random()) / 2))
        await self._send([CatchUp(topic.storage, connection_id, attempt + 1)], delay_seconds)

    async def _remove(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """Forget connections that are closed for good."""
        if connection_ids:
            await self._subscribers.remove_all(topic, connection_ids)
            await self._progress.forget(topic, shard, connection_ids)
            await self._records.forget(connection_ids)
            if self._has_presence(topic):
                await self._send([PresenceLook(topic.storage)], LOOK_SECONDS)


def _is_empty(found: Round) -> bool:
    return found.history.is_complete and not found.history.messages


def _reached(after: Position, steps: Sequence[Step], posted: Posted) -> Position:
    return steps[posted.delivered - 1].reached if posted.delivered else after
