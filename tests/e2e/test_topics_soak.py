"""Topics while everything goes wrong: clients that are cut off, dying workers, a Redis that loses its memory."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.conftest import Stack, running
from tests.e2e.topic_clients import Frame, epoch_of, offset_of
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SOAK_SECONDS = 12.0
TOPICS = [f"room:soak-{number}" for number in range(5)]
PUBLISHERS = 8
PUBLISH_EVERY_SECONDS = 0.1
SUBSCRIBERS = 20
ANSWER_SECONDS = 3.0
GAP_SECONDS = 0.5
"""How long what is missing may be on its way, before it is asked for."""

Data = tuple[int, int]
"""Who published a message, and its how manyth it was."""


@dataclass
class Applied:
    """What a client has of one topic: runs of messages without a gap between them, and where it is."""

    epoch: str = ""
    offset: int = 0
    runs: list[list[tuple[str, int, Data]]] = field(default_factory=lambda: [[]])
    early: dict[int, Data] = field(default_factory=dict)
    unrecovered: list[tuple[str, str]] = field(default_factory=list)

    @property
    def position(self) -> str:
        return f"{self.epoch}:{self.offset}"

    def begin_anew(self, frame: Frame) -> None:
        """Take it that something is missing, as the server says."""
        self.unrecovered.append((self.epoch, epoch_of(frame)))
        self.epoch, self.offset = epoch_of(frame), offset_of(frame)
        self.runs.append([])
        self.early.clear()

    def take(self, frame: Frame) -> None:
        """Apply an update if it is the next, keep it if it comes early, and drop it if it is known."""
        if offset_of(frame) > self.offset:
            self.early[offset_of(frame)] = tuple(frame["data"])
        while (data := self.early.pop(self.offset + 1, None)) is not None:
            self.offset += 1
            self.runs[-1].append((self.epoch, self.offset, data))


class Subscriber:
    """A client as it should be: it drops what it knows, and asks again where it sees a gap or another epoch."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.applied: defaultdict[str, Applied] = defaultdict(Applied)
        self._asked_at: dict[str, float] = {}
        self._asked_as: dict[str, str] = {}
        self._gap_since: dict[str, float] = {}
        self.frames: Counter[str] = Counter()

    async def run(self) -> None:
        """Be connected until cancelled."""
        while True:
            with suppress(OSError, ConnectionClosed, TimeoutError):
                async with connect(self._url, open_timeout=ANSWER_SECONDS) as self._socket:
                    self._asked_at = dict.fromkeys(TOPICS, 0.0)
                    await self._listen()
            await asyncio.sleep(0.1)

    def cut_off(self) -> None:
        """Lose the network without a word."""
        if (socket := getattr(self, "_socket", None)) is not None:
            socket.transport.abort()

    async def _listen(self) -> None:
        while True:
            for topic in list(self._asked_at):
                await self._maybe_subscribe(topic)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    self._hear(json.loads(await self._socket.recv()))

    async def _maybe_subscribe(self, topic: str) -> None:
        now = time.monotonic()
        if self._asked_at.get(topic, now) + ANSWER_SECONDS > now:
            return
        self._asked_at[topic] = now
        applied = self.applied[topic]
        since = {"since": applied.position} if applied.epoch else {}
        self._asked_as[topic] = request_id = uuid.uuid4().hex
        await self._socket.send(json.dumps({"action": "subscribe", "id": request_id, "topic": topic, **since}))

    def _hear(self, frame: Frame) -> None:
        self.frames[frame.get("type", "gateway's own")] += 1
        match frame.get("type"):
            case "subscribed" if frame["id"] == self._asked_as[frame["topic"]]:
                self._asked_at.pop(frame["topic"], None)
                self._begin(frame)
            case "resync":
                self.applied[frame["topic"]].begin_anew(frame)
            case "update":
                self._apply(frame)

    def _begin(self, frame: Frame) -> None:
        applied = self.applied[frame["topic"]]
        if not applied.epoch:
            applied.epoch, applied.offset = epoch_of(frame), offset_of(frame)
        elif not frame["recovered"]:
            applied.begin_anew(frame)

    def _apply(self, frame: Frame) -> None:
        topic, now = frame["topic"], time.monotonic()
        applied = self.applied[topic]
        if epoch_of(frame) != applied.epoch:
            self._ask_again(topic)
            return
        applied.take(frame)
        if not applied.early:
            self._gap_since.pop(topic, None)
        elif now - self._gap_since.setdefault(topic, now) > GAP_SECONDS:
            self._ask_again(topic)

    def _ask_again(self, topic: str) -> None:
        self._gap_since.pop(topic, None)
        self._asked_at.setdefault(topic, 0.0)


class Publisher:
    """Publishes its numbers to all topics in turn, each until it is told that it is published."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._number = number
        self.published: dict[tuple[str, str, int], Data] = {}

    async def run(self, over: asyncio.Event) -> None:
        count = 0
        while not over.is_set():
            with suppress(OSError, ConnectionClosed, TimeoutError):
                async with connect(self._url, open_timeout=ANSWER_SECONDS) as socket:
                    while not over.is_set():
                        await self._publish(socket, TOPICS[count % len(TOPICS)], (self._number, count))
                        count += 1
                        await asyncio.sleep(PUBLISH_EVERY_SECONDS)

    async def _publish(self, socket: ClientConnection, topic: str, data: Data) -> None:
        """Publish a message; one that is not answered is sent again as the same."""
        message_id = f"{self._number}-{data[1]}"
        message = {"action": "publish", "topic": topic, "data": data, "message_id": message_id}
        while True:
            request_id = uuid.uuid4().hex
            await socket.send(json.dumps({**message, "id": request_id}))
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await _answer(socket, request_id)
                    if answer.get("type") == "published":
                        self.published[topic, epoch_of(answer), offset_of(answer)] = data
                        return
            await asyncio.sleep(0.1)


async def _answer(socket: ClientConnection, request_id: str) -> Frame:
    while True:
        frame: Frame = json.loads(await socket.recv())
        if frame.get("id") == request_id or "message" in frame:
            return frame


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("soak")) as started:
        yield started


async def every(seconds: float, act: Callable[[], object | Awaitable[object]]) -> None:
    """Act about so often, until cancelled."""
    while True:
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))
        result = act()
        if isinstance(result, Awaitable):
            await result


async def kill_one_of_each(stack: Stack) -> None:
    """Kill a worker of fan-out and one of requests."""
    workers: list[dict[str, Any]] = (await asyncio.to_thread(stack.stats))["processes"]["workers"]
    for function in ("FanOutFunction", "RequestFunction"):
        pids = [worker["pid"] for worker in workers if worker["function"] == function]
        with suppress(ProcessLookupError):
            os.kill(random.choice(pids), signal.SIGKILL)


def is_published_again(publishers: list[Publisher], server: redis.Redis) -> bool:
    """Say whether every topic has a message in the epoch that began with the flush."""
    published = {(topic, epoch) for publisher in publishers for topic, epoch, _ in publisher.published}
    epochs = {topic: server.hget(f"{{public/{topic}}}:topic", "epoch") for topic in TOPICS}
    return all(epoch is not None and (topic, epoch.decode()) in published for topic, epoch in epochs.items())


def heads(publishers: list[Publisher], epochs: dict[str, str]) -> dict[str, int]:
    """Return the offset of the latest message of each topic, in the epoch that it has."""
    positions = [position for publisher in publishers for position in publisher.published]
    return {
        topic: max(offset for name, epoch, offset in positions if (name, epoch) == (topic, epochs[topic]))
        for topic in TOPICS
    }


async def until_all_listen(subscribers: list[Subscriber]) -> None:
    """Wait until every subscriber has been told the epoch of every topic."""
    began = time.monotonic()
    while not all(subscriber.applied[topic].epoch for subscriber in subscribers for topic in TOPICS):
        assert time.monotonic() - began < PATIENCE_SECONDS
        await asyncio.sleep(0.1)


async def until_level(subscribers: list[Subscriber], target: dict[str, tuple[str, int]]) -> float:
    """Wait until all have everything; return how many seconds that took."""
    began = time.monotonic()
    while behind := [
        (number, topic, subscriber.applied[topic].position, target[topic])
        for number, subscriber in enumerate(subscribers)
        for topic in TOPICS
        if (subscriber.applied[topic].epoch, subscriber.applied[topic].offset) != target[topic]
    ]:
        assert time.monotonic() - began < PATIENCE_SECONDS, behind
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def test_order_holds_and_no_loss_is_silent_whoever_dies(own_stack: Stack) -> None:
    stack, server = own_stack, redis.Redis.from_url(own_stack.redis_url)
    subscribers = [Subscriber(stack.websocket) for _ in range(SUBSCRIBERS)]
    publishers = [Publisher(stack.websocket, number) for number in range(PUBLISHERS)]
    listening = [asyncio.create_task(each.run()) for each in subscribers]
    await asyncio.sleep(1.0)
    over = asyncio.Event()
    harm = [
        asyncio.create_task(every(0.4, lambda: random.choice(subscribers).cut_off())),
        asyncio.create_task(every(3.0, lambda: kill_one_of_each(stack))),
    ]
    publishing = [asyncio.create_task(each.run(over)) for each in publishers]
    await asyncio.sleep(SOAK_SECONDS / 2)
    await until_all_listen(subscribers)
    server.flushall()
    await asyncio.sleep(SOAK_SECONDS / 2)
    began = time.monotonic()
    while not is_published_again(publishers, server):
        assert time.monotonic() - began < PATIENCE_SECONDS
        await asyncio.sleep(0.1)
    over.set()
    await asyncio.gather(*publishing)
    await kill_one_of_each(stack)
    for task in harm:
        task.cancel()

    epochs = {topic: server.hget(f"{{public/{topic}}}:topic", "epoch").decode() for topic in TOPICS}
    latest = heads(publishers, epochs)
    seconds = await until_level(subscribers, {topic: (epochs[topic], latest[topic]) for topic in TOPICS})
    for task in listening:
        task.cancel()
    print(f"{sum(len(each.published) for each in publishers)} published, level after {seconds:.1f} s")
    print(sum((subscriber.frames for subscriber in subscribers), Counter()))
    check(subscribers, publishers, epochs)


def check(subscribers: list[Subscriber], publishers: list[Publisher], epochs: dict[str, str]) -> None:
    published = {position: data for publisher in publishers for position, data in publisher.published.items()}
    for subscriber in subscribers:
        for topic, applied in subscriber.applied.items():
            for run in applied.runs:
                check_run(topic, run, published)
            # Only what Redis forgot is missing, and of that the client is told: who was just resuming, maybe twice.
            assert [before != after for before, after in applied.unrecovered][:1] == [True], applied.unrecovered
            assert {after for _, after in applied.unrecovered} == {epochs[topic]}


def check_run(topic: str, run: list[tuple[str, int, Data]], published: dict[tuple[str, str, int], Data]) -> None:
    """See that a run is of one epoch without a gap, what was published, in each publisher's order and each once."""
    assert len({epoch for epoch, _, _ in run}) <= 1
    latest = dict.fromkeys(range(PUBLISHERS), -1)
    for place, (epoch, offset, (publisher, count)) in enumerate(run):
        assert offset == run[0][1] + place
        assert published.get((topic, epoch, offset), (publisher, count)) == (publisher, count)
        assert count > latest[publisher]
        latest[publisher] = count
