"""Presence: messages that tell a topic's subscribers which principals joined and left.

Presence derives from the subscriptions. So a client that vanished counts as gone once a push finds its connection
closed or its subscription expires. A presence message is pushed once and enters no history; `GET /topics/{topic}`
returns the whole list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from push.delivery.ports import GoneConnections, PostOutcome, Series, SeriesConnections
from push.topics.fan_out_jobs import FanOutJob, PresenceLook
from push.topics.ports import Subscribers, ToldMembers
from push.topics.subscriptions import Subscription
from push.topics.topics import SHARDS, Topic
from push.topics.update_frames import render_presence

MAX_NAMED = 200
"""The most principals that one message names as joined, and as left; its count covers all connections."""

LOOK_SECONDS = 1


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """Pushes presence messages for one execution environment.

    Args:
        subscribers: the subscribers now.
        told: the members that subscribers were last told.
        connections: the management API.
        records: removes connections that a push found closed.
        send: sends jobs to the fan-out queue with a delay in seconds.

    """

    subscribers: Subscribers
    told: ToldMembers
    connections: SeriesConnections
    records: GoneConnections
    send: Callable[[Sequence[FanOutJob], int], Awaitable[None]]

    async def look(self, topic: Topic) -> None:
        """Push the changes since the last presence message to all subscribers, if there are any.

        Raises:
            TransientError: a dependency did not answer; the message must be redelivered.

        """
        there = [each for shard in range(SHARDS) for each in await self._read(topic, shard)]
        principals = sorted({each.principal for each in there})
        count_before, before = await self.told.replace(topic, len(there), principals)
        joined, left = _missing(principals, before), _missing(before, principals)
        if joined or left or len(there) != count_before:
            await self._tell(topic, there, render_presence(topic, len(there), joined, left))

    async def _read(self, topic: Topic, shard: int) -> list[Subscription]:
        found: list[Subscription] = []
        start: str | None = None
        while True:
            page, start = await self.subscribers.page(topic, shard, start)
            found += page
            if start is None:
                return found

    async def _tell(self, topic: Topic, there: Sequence[Subscription], frame: bytes) -> None:
        series = [Series(each.connection_id, (frame,)) for each in there]
        posted = await self.connections.post_series(series)
        gone = [
            each.connection_id for each, came in zip(series, posted, strict=True) if came.outcome is PostOutcome.GONE
        ]
        if gone:
            await self.subscribers.remove_all(topic, gone)
            await self.records.forget(gone)
            await self.send([PresenceLook(topic.storage)], LOOK_SECONDS)


def _missing(these: Sequence[str], those: Sequence[str]) -> list[str]:
    known = set(those)
    return [each for each in these if each not in known][:MAX_NAMED]
