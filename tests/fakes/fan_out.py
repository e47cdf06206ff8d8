"""In-memory stand-ins for what fan-out works with beside Redis: subscribers, connections, and the queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence

from push.delivery.ports import Posted, PostOutcome, Series
from push.errors import QueueUnavailableError
from push.topics.fan_out_jobs import FanOutJob
from push.topics.subscriptions import Subscription
from push.topics.topics import Topic, shard_of
from tests.fakes.clock import no_delay


class FakeSubscribers:
    """`Subscribers` in a dictionary, in small pages."""

    def __init__(self, delay: Callable[[], Awaitable[None]] = no_delay, page_rows: int = 2) -> None:
        self._delay = delay
        self._page_rows = page_rows
        self.rows: defaultdict[tuple[str, int], dict[str, Subscription]] = defaultdict(dict)

    def add(self, topic: Topic, connection_id: str, *options: str) -> None:
        subscription = Subscription(topic, connection_id, "ann", 0, frozenset(options))
        self.rows[topic.storage, shard_of(connection_id)][connection_id] = subscription

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        await self._delay()
        rows = self.rows[topic.storage, shard]
        names = sorted(name for name in rows if start is None or name > start)[: min(limit, self._page_rows)]
        page = [rows[name] for name in names]
        await self._delay()
        return page, names[-1] if len(names) == self._page_rows else None

    async def find(self, topic: Topic, connection_id: str) -> Subscription | None:
        await self._delay()
        return self.rows[topic.storage, shard_of(connection_id)].get(connection_id)

    async def remove_all(self, topic: Topic, connection_ids: Collection[str]) -> None:
        for connection_id in connection_ids:
            self.rows[topic.storage, shard_of(connection_id)].pop(connection_id, None)


class FakeSeries:
    """`SeriesConnections` that keeps the frames; each connection takes its `outcomes` first, and then everything."""

    def __init__(self) -> None:
        self.frames: defaultdict[str, list[str]] = defaultdict(list)
        self.outcomes: defaultdict[str, list[PostOutcome]] = defaultdict(list)
        self.calls: list[Sequence[Series]] = []

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        self.calls.append(series)
        return [self._post(each) for each in series]

    def _post(self, series: Series) -> Posted:
        for delivered, frame in enumerate(series.frames):
            outcomes = self.outcomes[series.connection_id]
            outcome = outcomes.pop(0) if outcomes else PostOutcome.DELIVERED
            if outcome is not PostOutcome.DELIVERED:
                return Posted(delivered, outcome)
            self.frames[series.connection_id].append(frame.decode())
        return Posted(len(series.frames))


class FakeSendJobs:
    """The fan-out queue, as `push.topics.fanning_out.SendJobs`: (job, delay in seconds) each."""

    def __init__(self) -> None:
        self.sent: list[tuple[FanOutJob, int]] = []
        self.is_down = False

    async def __call__(self, jobs: Sequence[FanOutJob], delay_seconds: int) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.sent += [(job, delay_seconds) for job in jobs]
