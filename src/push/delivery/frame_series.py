"""Pushes of series: several frames for one connection in order, for many connections at once."""

from __future__ import annotations

from collections.abc import Sequence

from push.delivery.ports import ClientConnections, Posted, PostOutcome, Series


class SeriesInTurns:
    """`SeriesConnections` on any client: pushes the first frame of every series, then the second, and so on."""

    def __init__(self, connections: ClientConnections) -> None:
        self._connections = connections

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        """See `SeriesConnections.post_series`; here the slowest connection delays all others."""
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
