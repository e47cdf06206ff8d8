"""Ten thousand subscriptions' worth of updates, whoever takes them: in order, each once, in bounded memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

import pushaside
from pushaside import Client, Settings, Subscription, Update
from tests.integration.client.scripted_server import Peer, ScriptedServer

pytestmark = pytest.mark.slow

TOPICS = 500
UPDATES_PER_TOPIC = 20
FLOOD = 10_000
LIMIT = 500
PADDING = "x" * 1000


def offset(position: str) -> int:
    return int(position.partition(":")[2])


class History:
    """Serves channels whose messages are made as they are asked for: it keeps nothing, and may say any number."""

    def __init__(self, length: int, padding: str = PADDING) -> None:
        self.padding = padding
        self.length = length
        self.subscribed = 0
        self.pushed = 0
        self.has_pushed_all = asyncio.Event()

    async def answer(self, peer: Peer) -> None:
        pushing: dict[str, asyncio.Task[None]] = {}
        while (message := await peer.messages.get()) is not None:
            if message["action"] != "subscribe":
                continue
            self.subscribed += 1
            if (former := pushing.get(message["topic"])) is not None:
                former.cancel()
            since = message.get("since", "e1:0")
            said = {"type": "subscribed", "id": message["id"], "topic": message["topic"]}
            await peer.say(**said, position=since, recovered=True)
            pushing[message["topic"]] = asyncio.create_task(self._push(peer, message["topic"], offset(since)))
        await asyncio.gather(*pushing.values())

    async def _push(self, peer: Peer, topic: str, since: int) -> None:
        try:
            for number in range(since + 1, self.length + 1):
                update = {"type": "update", "topic": topic, "position": f"e1:{number}", "data": [number, self.padding]}
                await peer.say_text(orjson.dumps(update).decode())
                self.pushed += 1
            self.has_pushed_all.set()
        except ConnectionClosed:
            pass


@asynccontextmanager
async def client_of(history: History) -> AsyncIterator[Client]:
    settings = Settings(max_queued_updates=LIMIT)
    async with ScriptedServer(history.answer) as server, pushaside.connect(server.url, settings=settings) as client:
        yield client


def check(update: Update, number: int) -> None:
    """The update is the one that is due, and whole."""
    assert update.position == f"e1:{number}"
    assert update.data[0] == number
    assert not update.is_resync


async def test_many_topics_come_in_order_and_each_once() -> None:
    history = History(UPDATES_PER_TOPIC)

    async def take(client: Client, topic: str) -> None:
        async with client.subscribe(topic) as subscription:
            for number in range(1, UPDATES_PER_TOPIC + 1):
                check(await anext(subscription), number)

    async with client_of(history) as client, asyncio.timeout(60.0):
        await asyncio.gather(*(take(client, f"demo:{number}") for number in range(TOPICS)))

    assert history.subscribed == TOPICS
    assert history.pushed == TOPICS * UPDATES_PER_TOPIC


async def be_busy(flood: Subscription, history: History) -> None:
    """Take nothing until as many updates wait as may, and more are on their way; or until there are no more."""
    enough = history.pushed + 2 * LIMIT
    # An event for each update would be set ten thousand times.
    while (flood._feed.waiting < LIMIT or history.pushed < enough) and not history.has_pushed_all.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_slow_consumer_gets_all_of_a_flood_and_the_client_keeps_little_of_it() -> None:
    history, most_waiting = History(FLOOD), 0
    async with client_of(history) as client, asyncio.timeout(90.0), client.subscribe("demo:flood") as flood:
        tracemalloc.start()
        for number in range(1, FLOOD + 1):
            check(await anext(flood), number)
            most_waiting = max(most_waiting, flood._feed.waiting)
            if number % 2000 == 0:
                await be_busy(flood, history)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert most_waiting <= LIMIT
    assert history.subscribed > 1, "the consumer was never too slow"
    # The updates have 1 KB each: all of them would be 10 MB and more.
    assert peak_bytes < 4_000_000


async def test_a_consumer_that_takes_nothing_costs_no_more_than_the_limit() -> None:
    history = History(FLOOD)
    async with client_of(history) as client, asyncio.timeout(60.0), client.subscribe("demo:flood") as flood:
        await history.has_pushed_all.wait()

        assert flood._feed.waiting == LIMIT
        assert flood._feed._held == {}
        assert flood.position == "e1:0"


async def test_a_quick_consumer_has_its_turn_between_many_small_updates() -> None:
    history = History(FLOOD, padding="")
    async with client_of(history) as client, asyncio.timeout(60.0), client.subscribe("demo:small") as updates:
        for number in range(1, FLOOD + 1):
            check(await anext(updates), number)

    assert history.subscribed == 1
