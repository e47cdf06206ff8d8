"""Series: frames that one connection is pushed one after another, while many others are pushed theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from push.ports import ClientConnections, PostOutcome


@dataclass(frozen=True, slots=True)
class Series:
    """What one connection is to be pushed, in UTF-8; the frames may be shared with other connections' series."""

    connection_id: str
    frames: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Posted:
    """How many frames of a series arrived, from its start on, and what became of the one after them, if any."""

    delivered: int
    outcome: PostOutcome = PostOutcome.DELIVERED


class SeriesConnections(Protocol):
    """The management API, as those see it who push to many connections in order."""

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        """Push each series, a frame once the one before it has arrived, and stop at its first that does not.

        Never raises for what the service answers: the outcomes are in the order of the series. No series holds up
        another, and one that is not done in its time ends with RETRY: then its frame may still arrive.
        """


class SeriesInTurns:
    """`SeriesConnections` on any client: the first frame of every series, then the second of those that go on."""

    def __init__(self, connections: ClientConnections) -> None:
        self._connections = connections

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        """See `SeriesConnections.post_series`; here the slowest holds up all."""
        posted = [Posted(0) for _ in series]
        going_on = [index for index, each in enumerate(series) if each.frames]
        while going_on:
            frames = [(series[each].connection_id, series[each].frames[posted[each].delivered]) for each in going_on]
            outcomes = await self._connections.post_all([(to, frame.decode()) for to, frame in frames])
            for index, outcome in zip(going_on, outcomes, strict=True):
                arrived = outcome is PostOutcome.DELIVERED
                posted[index] = Posted(posted[index].delivered + arrived, outcome)
            going_on = [
                index
                for index in going_on
                if posted[index].outcome is PostOutcome.DELIVERED
                and posted[index].delivered < len(series[index].frames)
            ]
        return posted
