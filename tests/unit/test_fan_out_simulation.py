"""Fan-out as clients see it: each message once and in order, whoever dies, and a lost Redis is not a silent gap.

The real worker over the tests' model of Redis. Chance decides when each of several workers, publishers and
subscribers goes on or dies, what the queue repeats and reorders, which pushes and calls fail, and when Redis is lost.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest

from push.computes import Tenant
from push.delivery.ports import Posted, PostOutcome, Series
from push.errors import CacheUnavailableError, QueueUnavailableError, TransientError
from push.topics.fan_out_jobs import CatchUp, FanOutJob, Nudge
from push.topics.fanning_out import STUCK_MS, TERM_MS, FanningOut, LeftAloneError, Receipt
from push.topics.histories import NewMessage
from push.topics.positions import Position, parse_position
from push.topics.topics import SHARDS, Topic, shard_of
from tests.fakes.clock import Clock
from tests.fakes.delivery import FakePayloads, FakeRecords
from tests.fakes.fan_out import FakeSubscribers
from tests.fakes.queues import FakeCounter
from tests.fakes.seeds import parts
from tests.fakes.topics import FakeHistory, FakeLagging, FakeShardProgress, SyncFakeHistory, TopicModel

TOPIC = Topic(Tenant("acme"), "room:1")
WORKERS, MESSAGES, SUBSCRIBERS, JOBS_AT_MOST = 3, 60, 8, 20_000
VISIBILITY_MS = 30_000
BACKOFFS_MS = (0, 1000, 4000)
FUNCTION_MS = 20_000
"""After so long Lambda ends a worker."""

ends_at_ms: ContextVar[float] = ContextVar("ends_at_ms", default=math.inf)
"""Of the worker that goes on."""


class KilledError(BaseException):
    """A worker's process has ended; nothing of it catches that."""


@dataclass
class Client:
    """A user of connections, one after another: what it holds, and what it has applied."""

    connection_id: str
    may_miss: bool
    """Who lags is lost with Redis, and a worker that was under way then may push what comes after a gap."""
    position: Position | None = None
    is_waiting: bool = True
    """`subscribed` has not come; what comes before it is kept for then."""
    is_lost: bool = False
    """It must subscribe once more: what came is of another epoch, or something before it is missing."""
    early: list[dict[str, object]] = field(default_factory=list)
    applied: list[Position] = field(default_factory=list)
    snapshots: list[Position] = field(default_factory=list)

    def subscribed(self, position: Position, *, recovered: bool) -> None:
        if not recovered or self.position is None:
            self.snapshots.append(position)
            self.position = position
        self.is_waiting, self.is_lost = False, False
        early, self.early = self.early, []
        for frame in early:
            self.receive(frame)

    def receive(self, frame: dict[str, object]) -> None:
        if self.is_waiting:
            self.early.append(frame)
            return
        assert self.position is not None
        position = parse_position(str(frame["position"]))
        if frame["type"] == "resync":
            if position.epoch != self.position.epoch or position.offset > self.position.offset:
                self.position = position
                self.snapshots.append(position)
        elif position.epoch != self.position.epoch:
            self.is_lost = True
        elif position.offset > self.position.offset and not self.is_lost:
            if position.offset > self.position.offset + 1:
                assert self.may_miss, "a gap"
                self.is_lost = True
                return
            self.position = position
            self.applied.append(position)


class Connections:
    """`SeriesConnections`: pushes fail before or after they arrive, and who has left is gone."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def post_series(self, series: Sequence[Series]) -> list[Posted]:
        return list(await asyncio.gather(*(self._post(each) for each in series)))

    async def _post(self, series: Series) -> Posted:
        for delivered, frame in enumerate(series.frames):
            await self._simulation.live()
            client = self._simulation.connected.get(series.connection_id)
            if client is None:
                return Posted(delivered, PostOutcome.GONE)
            fate = 1.0 if self._simulation.is_calm else self._simulation.chance.random()
            if fate > 0.1:
                client.receive(json.loads(frame))
            if fate < 0.25:
                return Posted(delivered, PostOutcome.RETRY)
        return Posted(len(series.frames))


class Simulation:
    """All that goes on around one topic."""

    def __init__(
        self, seed: int, *, loses_redis: bool = False, messages: int = MESSAGES, moves: int = 7, troubles: int = 1
    ) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.loses_redis = loses_redis
        self.messages = messages
        self.moves = moves
        self.troubles = troubles
        self.model = TopicModel(self.clock)
        self.histories = SyncFakeHistory(self.model)
        self.subscribers = FakeSubscribers(self.delay)
        self.connected: dict[str, Client] = {}
        self.clients: list[Client] = []
        self.queue: list[tuple[int, FanOutJob, str, bool]] = []
        """When it is seen, what it says, which message it is, and whether somebody had it before."""
        self.is_calm = False
        self.done = 0
        self.names = itertools.count()
        self.fanning_out = FanningOut(
            progress=FakeShardProgress(self.model, self.fail),
            histories=FakeHistory(self.model, self.fail),
            subscribers=self.subscribers,
            connections=Connections(self),
            records=FakeRecords(),
            send=self.send,
            link=FakePayloads().link,
            counter=FakeCounter(),
            now_ms=self.clock,
            random=self.chance.random,
        )

    async def delay(self) -> None:
        """Let others go on, and time pass: sometimes so much that leases end."""
        for _ in range(self.chance.choice((0, 1, 1, 2, 5))):
            await asyncio.sleep(0)
        self.clock.advance(self.chance.choice((0, 1, 5, 30)))
        if not self.is_calm and self.chance.random() < 0.003:
            self.clock.advance(TERM_MS)

    async def live(self) -> None:
        """Let a worker die, if it is to or its time is over, and then go on."""
        await self.delay()
        if not self.is_calm and self.chance.random() < 0.02:
            raise KilledError
        if self.clock() > ends_at_ms.get():
            raise KilledError

    async def fail(self) -> None:
        """Before what Redis does, or after it, so that only the reply is lost."""
        await self.live()
        if not self.is_calm and self.chance.random() < 0.01 * self.troubles:
            raise CacheUnavailableError("Redis did not answer.")

    async def send(self, jobs: Sequence[FanOutJob], delay_seconds: int) -> None:
        await self.live()
        if not self.is_calm and self.chance.random() < 0.1 * self.troubles:
            raise QueueUnavailableError("SQS did not take it.")
        for job in jobs:
            self.put(job, delay_seconds * 1000)
        await self.live()

    def put(self, job: FanOutJob, delay_ms: int = 0) -> None:
        self.queue.append((self.clock() + delay_ms, job, f"message {next(self.names)}", False))

    def receive(self) -> tuple[FanOutJob, str, bool] | None:
        due = [index for index, (due_ms, *_) in enumerate(self.queue) if due_ms <= self.clock()]
        return self.queue.pop(self.chance.choice(due))[1:] if due else None

    async def work(self) -> None:
        """Receive messages until there are no more; those of a worker that died come again, others may come twice."""
        while self.queue or not self.is_calm:
            received = self.receive()
            if received is None:
                self.clock.advance(1 if not self.is_calm else 1000)
                await asyncio.sleep(0)
                continue
            job, name, is_redelivered = received
            due_ms = self.clock() + VISIBILITY_MS
            self.done += 1
            assert self.done < JOBS_AT_MOST, "it never ends"
            try:
                await self.do(job, name, is_redelivered=is_redelivered)
            except (KilledError, LeftAloneError):
                self.queue.append((max(due_ms, self.clock()), job, name, True))
            except TransientError:
                self.queue.append((self.clock() + self.chance.choice(BACKOFFS_MS), job, name, True))
            if not self.is_calm and self.chance.random() < 0.1:
                self.queue.append((self.clock(), job, name, True))

    async def do(self, job: FanOutJob, name: str, *, is_redelivered: bool) -> None:
        ends_at_ms.set(self.clock() + FUNCTION_MS)
        until_ms = self.clock() + self.chance.choice((50, 500, 13_000))
        if self.is_calm:
            until_ms = self.clock() + 1_000_000
        receipt = Receipt(name, until_ms, is_redelivered)
        match job:
            case Nudge(shard=None):
                ended = await asyncio.gather(
                    *(self.fanning_out.nudge(TOPIC, shard, receipt) for shard in range(SHARDS)),
                    return_exceptions=True,
                )
                failures = [each for each in ended if each is not None]
                # As the handler does.
                if failures:
                    raise next((each for each in failures if isinstance(each, LeftAloneError)), failures[0])
            case Nudge(shard=int(shard)):
                await self.fanning_out.nudge(TOPIC, shard, receipt)
            case CatchUp(connection_id=connection_id, attempt=attempt):
                await self.fanning_out.catch_up(TOPIC, connection_id, attempt, until_ms)

    async def publish(self) -> None:
        for number in range(self.messages):
            if self.loses_redis and number in (self.messages // 3, self.messages // 2):
                self.model.flush()
            (appended,) = self.histories.append(
                TOPIC, [NewMessage(b"%d" % (number + 1))], size=1000, seconds=10_000_000
            )
            assert appended.is_new
            self.put(Nudge(TOPIC.storage))
            await self.delay()

    async def live_as_client(self) -> None:
        for _ in range(self.chance.randrange(30)):
            await self.delay()
        client = Client("", self.loses_redis)
        self.clients.append(client)
        await self.connect(client)
        for _ in range(self.chance.randint(0, self.moves)):
            for _ in range(self.chance.randrange(12)):
                await self.delay()
                if client.is_lost:
                    await self.subscribe(client)
            await self.connect(client)

    async def connect(self, client: Client) -> None:
        """Open another connection, and close the one before; its row stays."""
        self.connected.pop(client.connection_id, None)
        client.connection_id = next(
            name for name in (f"c{number}" for number in self.names) if shard_of(name) in (0, 1)
        )
        client.early = []
        self.connected[client.connection_id] = client
        await self.subscribe(client)

    async def subscribe(self, client: Client) -> None:
        """Do as the server does for `subscribe`, with `since` unless it is the client's first."""
        since, connection_id = client.position, client.connection_id
        client.is_waiting = True
        if since is not None and self.histories.read(TOPIC, since, 1).is_complete:
            await self.delay()
            FakeLagging(self.model).lag(TOPIC, shard_of(connection_id), connection_id, since)
            await self.delay()
            self.subscribers.add(TOPIC, connection_id)
            await self.delay()
            self.put(CatchUp(TOPIC.storage, connection_id))
            await self.delay()
            client.subscribed(since, recovered=True)
            return
        self.subscribers.add(TOPIC, connection_id)
        await self.delay()
        head = self.histories.head(TOPIC)
        await self.delay()
        client.subscribed(head, recovered=since is None)

    async def run(self) -> None:
        workers = [asyncio.ensure_future(self.work()) for _ in range(WORKERS)]
        await asyncio.gather(self.publish(), *(self.live_as_client() for _ in range(SUBSCRIBERS)))
        self.is_calm = True
        await asyncio.gather(*workers)
        for _ in range(3 if self.loses_redis else 0):
            # What the queue holds is enough, unless it was forgotten who lags: then the next message finds it out.
            self.clock.advance(STUCK_MS + TERM_MS)
            self.histories.append(TOPIC, [NewMessage(b"0")], size=1000, seconds=10_000_000)
            self.put(Nudge(TOPIC.storage))
            await self.work()
            for client in self.clients:
                if client.is_lost:
                    await self.subscribe(client)
            await self.work()


SEEDS = parts(25, 200, pieces=2)


@pytest.mark.parametrize("seeds", SEEDS)
async def test_each_subscriber_gets_each_message_once_and_in_order(seeds: range) -> None:
    for seed in seeds:
        simulation = Simulation(seed)
        await simulation.run()
        head = simulation.histories.head(TOPIC)
        for client in simulation.clients:
            (begun,) = client.snapshots
            expected = [Position(head.epoch, offset) for offset in range(begun.offset + 1, head.offset + 1)]
            assert client.applied == expected, seed


@pytest.mark.parametrize("seeds", parts(200, 1500, pieces=2))
async def test_nobody_is_left_alone_in_a_topic_that_falls_silent(seeds: range) -> None:
    """Where much goes on, whoever is forgotten is soon found by chance: here nothing comes after one message or two."""
    for seed in seeds:
        simulation = Simulation(seed, messages=1 + seed % 2, moves=0, troubles=5)
        await simulation.run()
        head = simulation.histories.head(TOPIC)
        assert {client.position for client in simulation.clients} == {head}, seed


@pytest.mark.parametrize("seeds", SEEDS)
async def test_after_a_lost_redis_every_subscriber_is_given_a_snapshot_and_goes_on(seeds: range) -> None:
    for seed in seeds:
        simulation = Simulation(seed, loses_redis=True)
        await simulation.run()
        head = simulation.histories.head(TOPIC)
        for client in simulation.clients:
            assert client.position == head, seed
            assert len(set(client.applied)) == len(client.applied), seed
