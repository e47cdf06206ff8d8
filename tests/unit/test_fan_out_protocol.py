"""The protocol of `ShardProgress`: with workers that die and stand still, each subscriber gets each message, in order.

A worker of the fewest lines that does as the port says, over the tests' model, which the contract suite holds to
Redis. Chance decides when each of several workers, publishers and subscribers goes on, dies, or can't be pushed to.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from push.computes import Tenant
from push.topics.histories import Message, NewMessage, Round
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.fakes.clock import Clock
from tests.fakes.seeds import parts
from tests.fakes.topics import FakeHistory, FakeLagging, FakeShardProgress, SyncFakeHistory, TopicModel

TOPIC, SHARD = Topic(Tenant("acme"), "room:1"), 0
TERM_MS, STUCK_MS, LIMIT, PAGE = 100, 2000, 3, 2
NUDGE = ""
WORKERS, MESSAGES, SUBSCRIBERS, STEPS_AT_MOST = 3, 40, 5, 5000


class KilledError(Exception):
    """A worker's process has ended."""


@dataclass
class Client:
    """One connection, as its user sees it: updates that come before `subscribed` wait for it."""

    position: Position | None = None
    seen: list[int] = field(default_factory=list)
    early: list[Message] = field(default_factory=list)

    def subscribed(self, position: Position) -> None:
        self.position = position
        for message in self.early:
            self.update(message)

    def update(self, message: Message) -> None:
        if self.position is None:
            self.early.append(message)
        elif message.position.offset > self.position.offset:
            assert message.position.offset == self.position.offset + 1, "a gap"
            self.seen.append(message.position.offset)
            self.position = message.position


class Simulation:
    """All that goes on around one shard of one topic."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        model = TopicModel(self.clock)
        self.histories, self.progress = FakeHistory(model, self.delay), FakeShardProgress(model, self.delay)
        self.published, self.lagging = SyncFakeHistory(model), FakeLagging(model)
        self.rows: dict[str, None] = {}
        self.clients: dict[str, Client] = {}
        self.queue: list[str] = []
        self.received = 0
        self.is_calm = False

    async def delay(self) -> None:
        """Let others go on, and time pass; a worker may find itself dead then, or its lease lost."""
        for _ in range(self.chance.choice((0, 1, 1, 2, 5))):
            await asyncio.sleep(0)
        self.clock.advance(self.chance.choice((0, 1, 5, 30)))

    async def live(self) -> None:
        """Let a worker die, if it is to, and then go on."""
        await self.delay()
        if not self.is_calm and self.chance.random() < 0.04:
            raise KilledError

    async def push(self, connection_id: str, message: Message) -> bool:
        """Push a message; it may fail before, or after it was delivered."""
        await self.live()
        fate = 1.0 if self.is_calm else self.chance.random()
        if fate > 0.15:
            self.clients[connection_id].update(message)
        return fate > 0.2

    async def push_all(self, connection_id: str, messages: tuple[Message, ...], reached: Position) -> Position:
        for message in messages:
            if not await self.push(connection_id, message):
                break
            reached = message.position
        return reached

    async def fan_out_shard(self) -> None:
        token = f"worker {self.chance.random()}"
        found = await self.progress.begin(TOPIC, SHARD, token, TERM_MS, LIMIT)
        while isinstance(found, Round) and found.history.messages:
            late = await self.push_round(found)
            found = await self.progress.advance(TOPIC, SHARD, token, found.history.end, late, TERM_MS, LIMIT)
            await self.live()
            self.queue += late
        for connection_id, behind in (await self.progress.lagging(TOPIC, SHARD)).items():
            if self.clock() - behind.noted_at_ms > STUCK_MS:
                self.queue.append(connection_id)

    async def push_round(self, found: Round) -> dict[str, Position]:
        late = {}
        last = ""
        while page := sorted(row for row in self.rows if row > last)[:PAGE]:
            last = page[-1]
            await self.live()
            lagging = await self.progress.lagging(TOPIC, SHARD)
            for connection_id in page:
                if connection_id not in lagging:
                    reached = await self.push_all(connection_id, found.history.messages, found.after)
                    if reached != found.history.end:
                        late[connection_id] = reached
        return late

    async def catch_up(self, connection_id: str) -> None:
        behind = await self.progress.behind(TOPIC, SHARD, connection_id)
        while behind is not None:
            history = await self.histories.read(TOPIC, behind.position, LIMIT)
            assert history.is_complete
            reached = await self.push_all(connection_id, history.messages, behind.position)
            has_failed = reached != history.end
            behind = await self.progress.catch_up(TOPIC, SHARD, connection_id, behind.mark, reached)
            if has_failed:
                self.queue.append(connection_id)
                return

    async def work(self) -> None:
        """Receive messages until there are no more; those of a worker that died come again, others may come twice."""
        while self.queue or not self.is_calm:
            if not self.queue:
                await asyncio.sleep(0)
                continue
            self.received += 1
            assert self.received < STEPS_AT_MOST, "it never ends"
            job = self.queue.pop(self.chance.randrange(len(self.queue)))
            try:
                await (self.catch_up(job) if job != NUDGE else self.fan_out_shard())
            except KilledError:
                self.queue.append(job)
            if not self.is_calm and self.chance.random() < 0.1:
                self.queue.append(job)

    async def publish(self) -> None:
        for number in range(MESSAGES):
            await self.delay()
            self.published.append(TOPIC, [NewMessage(b"%d" % number)], size=1000, seconds=10_000)
            await self.delay()
            self.queue.append(NUDGE)
            await self.delay()

    async def subscribe(self, name: str) -> None:
        for _ in range(self.chance.randrange(30)):
            await self.delay()
        client = self.clients[name] = Client()
        self.rows[name] = None
        await self.delay()
        head = self.published.head(TOPIC)
        await self.delay()
        client.subscribed(head)
        for session in range(self.chance.randrange(4)):
            for _ in range(self.chance.randrange(20)):
                await self.delay()
            client = await self.resume(f"{name}.{session}", client)

    async def resume(self, connection_id: str, before: Client) -> Client:
        """Go on over another connection; the row of the one before stays for a while."""
        since = before.position
        assert since is not None
        client = self.clients[connection_id] = Client(since, list(before.seen))
        await self.delay()
        self.lagging.lag(TOPIC, SHARD, connection_id, since)
        await self.delay()
        await self.delay()
        self.rows[connection_id] = None
        await self.delay()
        self.queue.append(connection_id)
        return client

    async def run(self) -> None:
        workers = [asyncio.ensure_future(self.work()) for _ in range(WORKERS)]
        await asyncio.gather(self.publish(), *(self.subscribe(f"c{number}") for number in range(SUBSCRIBERS)))
        self.is_calm = True
        await asyncio.gather(*workers)
        # Who was left alone by a worker that died is found by the next message, some time later.
        self.clock.advance(STUCK_MS + TERM_MS)
        self.queue.append(NUDGE)
        await self.work()


@pytest.mark.parametrize("seeds", parts(60, 300, pieces=2))
async def test_each_subscriber_gets_each_message_in_order(seeds: range) -> None:
    for seed in seeds:
        simulation = Simulation(seed)
        await simulation.run()
        head = simulation.published.head(TOPIC)
        for name, client in simulation.clients.items():
            assert client.position == head, (seed, name)
            assert client.seen == [*range(head.offset - len(client.seen) + 1, head.offset + 1)], (seed, name)
