"""Presence: a topic's subscribers are told who else comes and goes, all changes of a moment in one message.

It is made from the subscriptions themselves, so that who vanished is missed as soon as a push finds him gone or his
subscription expires. A presence message is told once and is in no history: `GET /topics/{topic}` has the whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from push.delivery.ports import GoneConnections, PostOutcome, Series, SeriesConnections
from push.topics.fan_out_jobs import FanOutJob, PresenceLook
from push.topics.ports import Subscribers, ToldMembers
from push.topics.subscriptions import Subscription
from push.topics.topics import SHARDS, Topic
from push.topics.update_frames import render_presence

MAX_NAMED = 200
"""How many who came, and how many who left, are named in one message; the count is of all connections."""

LOOK_SECONDS = 1


class Presence:
    """Tells for one execution environment who is there.

    Args:
        subscribers: who is.
        told: who was.
        connections: the management API.
        records: where connections found gone are removed.
        send: sends jobs to the fan-out queue, not to be seen before so many seconds.

    """

    def __init__(
        self,
        *,
        subscribers: Subscribers,
        told: ToldMembers,
        connections: SeriesConnections,
        records: GoneConnections,
        send: Callable[[Sequence[FanOutJob], int], Awaitable[None]],
    ) -> None:
        self._subscribers = subscribers
        self._told = told
        self._connections = connections
        self._records = records
        self._send = send

    async def look(self, topic: Topic) -> None:
        """Tell the subscribers what has changed since they were last told, if anything has.

        Raises:
            TransientError: something did not answer, and the look must come back.

        """
        there = [each for shard in range(SHARDS) for each in await self._read(topic, shard)]
        principals = sorted({each.principal for each in there})
        count_before, before = await self._told.replace(topic, len(there), principals)
        joined, left = _missing(principals, before), _missing(before, principals)
        if joined or left or len(there) != count_before:
            await self._tell(topic, there, render_presence(topic, len(there), joined, left))

    async def _read(self, topic: Topic, shard: int) -> list[Subscription]:
        found: list[Subscription] = []
        start: str | None = None
        while True:
            page, start = await self._subscribers.page(topic, shard, start)
            found += page
            if start is None:
                return found

    async def _tell(self, topic: Topic, there: Sequence[Subscription], frame: bytes) -> None:
        series = [Series(each.connection_id, (frame,)) for each in there]
        posted = await self._connections.post_series(series)
        gone = [
            each.connection_id for each, came in zip(series, posted, strict=True) if came.outcome is PostOutcome.GONE
        ]
        if gone:
            await self._subscribers.remove_all(topic, gone)
            await self._records.forget(gone)
            await self._send([PresenceLook(topic.storage)], LOOK_SECONDS)


def _missing(these: Sequence[str], those: Sequence[str]) -> list[str]:
    known = set(those)
    return [each for each in these if each not in known][:MAX_NAMED]
