"""Subscribing and publishing over real sockets, and over networks that fail."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import pushaside
from pushaside import Client, Settings, Subscription
from tests.integration.client.scripted_http import Answer, ScriptedHttp
from tests.integration.client.scripted_server import PATIENCE_SECONDS, ScriptedServer
from tests.integration.client.topic_server import LIVE_TOPIC, Topics
from tests.servers.faulty_network import FaultyNetwork

CHANNEL = "prices:eur"


def no_wait() -> float:
    return 0.0


@asynccontextmanager
async def connected(topics: Topics, settings: Settings | None = None) -> AsyncIterator[tuple[ScriptedServer, Client]]:
    async with (
        ScriptedServer(topics.answer) as server,
        pushaside.connect(server.url, settings=settings, random=no_wait) as client,
    ):
        yield server, client


async def take(subscription: Subscription, count: int) -> list[object]:
    """Take the data of so many updates."""
    taken: list[object] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for update in subscription:
            taken.append(update.data)
            if len(taken) == count:
                break
    return taken


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  (what the server has seen is no event)
            await asyncio.sleep(0.005)


# Channels


async def test_a_channel_brings_what_is_published_after_the_subscription() -> None:
    topics = Topics()
    await topics.publish(CHANNEL, "before")
    async with connected(topics) as (_, client), client.subscribe(CHANNEL) as prices:
        assert prices.position == "e1:1"
        await topics.publish(CHANNEL, {"bid": 1.1})
        async with asyncio.timeout(PATIENCE_SECONDS):
            update = await anext(prices)

        assert update == pushaside.Update(CHANNEL, "e1:2", {"bid": 1.1}, "", is_resync=False)
        assert prices.position == "e1:2"


async def test_since_a_position_what_came_after_it_comes_first() -> None:
    topics = Topics()
    for n in range(5):
        await topics.publish(CHANNEL, n)
    async with connected(topics) as (_, client), client.subscribe(CHANNEL, since="e1:2") as prices:
        await topics.publish(CHANNEL, 5)

        assert await take(prices, 4) == [2, 3, 4, 5]


async def test_what_is_no_longer_there_is_told_as_a_resync() -> None:
    topics = Topics(window=2)
    for n in range(5):
        await topics.publish(CHANNEL, n)
    async with connected(topics) as (_, client), client.subscribe(CHANNEL, since="e1:1") as prices:
        async with asyncio.timeout(PATIENCE_SECONDS):
            update = await anext(prices)

        assert (update.data, update.position, update.is_resync) == (4, "e1:5", True)


async def test_a_refused_subscription_is_a_typed_error() -> None:
    async with connected(Topics()) as (_, client):
        with pytest.raises(pushaside.ForbiddenError):
            async with client.subscribe("secret:all"):
                pass
        with pytest.raises(pushaside.ForbiddenError):
            await anext(client.subscribe("secret:all"))


async def test_closing_unsubscribes_and_ends_the_iterator() -> None:
    topics = Topics()
    async with connected(topics) as (_, client):
        async with client.subscribe(CHANNEL) as prices:
            waiting = asyncio.create_task(take(prices, 1))
            await asyncio.sleep(0)
        assert await waiting == []
        await until(lambda: topics.subscribers[CHANNEL] == [])


async def test_a_topic_is_left_by_its_last_subscription_only() -> None:
    topics = Topics()
    async with connected(topics) as (_, client), client.subscribe(CHANNEL) as one:
        async with client.subscribe(CHANNEL) as other:
            await topics.publish(CHANNEL, 1)
            assert await take(one, 1) == await take(other, 1) == [1]
        await topics.publish(CHANNEL, 2)

        assert await take(one, 1) == [2]
        assert "unsubscribe" not in [each["action"] for each in topics.asked]


async def test_who_subscribes_again_at_once_is_subscribed() -> None:
    topics = Topics()
    async with connected(topics) as (_, client):
        for n in range(3):
            async with client.subscribe(CHANNEL) as prices:
                await topics.publish(CHANNEL, n)
                assert await take(prices, 1) == [n]


async def test_a_closed_client_ends_its_subscriptions_with_an_error() -> None:
    async with connected(Topics()) as (_, client):
        prices = client.subscribe(CHANNEL)
        waiting = asyncio.create_task(anext(prices))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(pushaside.ConnectionClosedError):
            await waiting


async def test_who_waits_for_presence_is_at_the_end_when_the_subscription_is_closed() -> None:
    async with connected(Topics()) as (_, client), client.subscribe(CHANNEL) as prices:

        async def wait() -> list[pushaside.Presence]:
            return [each async for each in prices.presence()]

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        prices.close()
        assert await waiting == []


async def test_who_takes_nothing_for_long_still_gets_every_message() -> None:
    topics = Topics()
    settings = Settings(max_queued_updates=10)
    async with connected(topics, settings) as (_, client), client.subscribe(CHANNEL) as prices:
        for n in range(100):
            await topics.publish(CHANNEL, n)
        await client.ping()

        assert await take(prices, 100) == list(range(100))


@pytest.mark.parametrize("give", ["neither", "both"])
async def test_either_a_topic_or_a_compute_is_subscribed_to(give: str) -> None:
    async with connected(Topics()) as (_, client):
        with pytest.raises(ValueError, match="either a topic or a compute"):
            client.subscribe(*([] if give == "neither" else [CHANNEL]), compute=None if give == "neither" else "x")


# Live results


async def test_a_live_result_comes_with_its_value_and_then_with_each_new_one() -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, ["ann"])
    async with connected(topics) as (_, client), client.subscribe(compute="leaderboard", params={"a": 1}) as board:
        assert (board.topic, board.value) == (LIVE_TOPIC, ["ann"])
        assert await take(board, 1) == [["ann"]]
        await topics.publish(LIVE_TOPIC, ["bob"])

        assert await take(board, 1) == [["bob"]]
        assert board.value == ["bob"]


async def test_of_values_that_nobody_took_only_the_newest_is_kept() -> None:
    topics = Topics()
    async with connected(topics) as (_, client), client.subscribe(compute="leaderboard") as board:
        for n in range(50):
            await topics.publish(LIVE_TOPIC, n)
        await client.ping()

        assert await take(board, 1) == [49]


# The forms of data


async def test_data_may_come_compressed() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        prices = client.subscribe(CHANNEL)
        peer = await server.accept()
        asked = await peer.receive()
        assert asked is not None
        await peer.say(type="subscribed", id=asked["id"], topic=CHANNEL, position="e1:0", recovered=True)
        data = base64.b64encode(gzip.compress(b'{"a":1}')).decode()
        await peer.say(type="update", topic=CHANNEL, position="e1:1", data=data, encoding="gzip+base64")

        assert await take(prices, 1) == [{"a": 1}]


async def test_a_value_may_come_in_pieces() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        board = client.subscribe(compute="leaderboard")
        peer = await server.accept()
        asked = await peer.receive()
        assert asked is not None
        whole = {"type": "subscribed", "id": asked["id"], "topic": LIVE_TOPIC, "position": "e1:4", "recovered": True}
        text = json.dumps({**whole, "etag": "5f2a", "data": list(range(100))})
        for index in (1, 0):
            half = text[index * 100 :] if index else text[:100]
            await peer.say(type="chunk", id=asked["id"], of="a", index=index, count=2, data=half)

        assert await take(board, 1) == [list(range(100))]


async def test_links_are_followed_in_order() -> None:
    with ScriptedHttp(script=lambda _asked: Answer(200, b'"linked"')) as http:
        async with ScriptedServer() as server, pushaside.connect(server.url) as client:
            prices = client.subscribe(CHANNEL)
            peer = await server.accept()
            asked = await peer.receive()
            assert asked is not None
            await peer.say(type="subscribed", id=asked["id"], topic=CHANNEL, position="e1:0", recovered=True)
            await peer.say(type="update", topic=CHANNEL, position="e1:1", url=f"{http.url}1")
            await peer.say(type="update", topic=CHANNEL, position="e1:2", data="plain")
            await peer.say(type="update", topic=CHANNEL, position="e1:3", url=f"{http.url}3")

            assert await take(prices, 3) == ["linked", "plain", "linked"]


# Publishing


async def test_publishing_returns_the_position() -> None:
    topics = Topics()
    async with connected(topics) as (_, client):
        assert [await client.publish(CHANNEL, n) for n in range(2)] == ["e1:1", "e1:2"]
    assert topics.histories[CHANNEL] == [0, 1]


async def test_what_is_asked_twice_is_published_once() -> None:
    topics = Topics()
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        publishing = asyncio.create_task(client.publish(CHANNEL, 1))
        first = await server.accept()
        asked = await first.receive()
        first.cut()
        second = await server.accept()
        again = await second.receive()
        assert again == asked
        await second.say(type="published", id=again["id"], topic=CHANNEL, position="e1:1")

        assert await publishing == "e1:1"
    assert topics.published == set()


# Failing networks


async def test_nothing_is_lost_or_doubled_while_the_network_fails() -> None:
    topics = Topics()
    async with ScriptedServer(topics.answer) as server, FaultyNetwork(server.port) as network:
        settings = Settings(backoff_base_seconds=0.02, backoff_cap_seconds=0.05)
        async with (
            pushaside.connect(f"ws://127.0.0.1:{network.port}/v1", settings=settings) as client,
            client.subscribe(CHANNEL) as prices,
        ):
            taking = asyncio.create_task(take(prices, 300))
            for n in range(300):
                await topics.publish(CHANNEL, n)
                if n % 60 == 20:
                    await network.refuse()
                if n % 60 == 40:
                    await network.heal()
                if n % 60 == 50:
                    network.reset()
                    await asyncio.sleep(0.03)
                    await network.heal()
                await asyncio.sleep(0.001)

            assert await taking == list(range(300))


async def test_what_was_swallowed_without_a_word_is_caught_up() -> None:
    topics = Topics()
    settings = Settings(backoff_base_seconds=0.02, keepalive_seconds=0.1, pong_timeout_seconds=0.1)
    async with (
        ScriptedServer(topics.answer) as server,
        FaultyNetwork(server.port) as network,
        pushaside.connect(f"ws://127.0.0.1:{network.port}/v1", settings=settings) as client,
        client.subscribe(CHANNEL) as prices,
    ):
        network.swallow()
        for n in range(10):
            await topics.publish(CHANNEL, n)
        await until(lambda: not prices.holds)
        await network.heal()

        assert await take(prices, 10) == list(range(10))


async def test_a_lost_message_is_asked_for() -> None:
    topics = Topics()
    async with connected(topics, Settings(gap_seconds=0.05)) as (_, client), client.subscribe(CHANNEL) as prices:
        await topics.publish(CHANNEL, 0)
        topics.histories[CHANNEL].append(1)  # and its push is lost
        await topics.publish(CHANNEL, 2)

        assert await take(prices, 3) == [0, 1, 2]


async def test_a_lost_redis_is_told_as_a_resync() -> None:
    topics = Topics()
    async with connected(topics, Settings(gap_seconds=0.05)) as (_, client), client.subscribe(CHANNEL) as prices:
        await topics.publish(CHANNEL, "old")
        topics.epoch, topics.histories[CHANNEL] = "e2", []
        await topics.publish(CHANNEL, "new")
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, second = await anext(prices), await anext(prices)

        assert (first.data, first.is_resync) == ("old", False)
        assert (second.data, second.is_resync, second.position) == ("new", True, "e2:1")


# Going away


async def test_a_connection_is_left_only_once_the_next_one_brings_updates() -> None:
    topics = Topics(reconnect_after_seconds=0.2)
    async with (
        connected(topics, Settings(backoff_base_seconds=0.2)) as (_, client),
        client.subscribe(CHANNEL) as prices,
    ):
        taking = asyncio.create_task(take(prices, 200))
        for n in range(200):
            await topics.publish(CHANNEL, n)
            await asyncio.sleep(0.005)

        assert await taking == list(range(200))
        first, *others = topics.subscribed_beside
        assert first == 0
        assert len(others) >= 2
        assert set(others) == {1}


async def test_after_a_bye_the_next_connection_is_there_before_the_old_one_is_gone() -> None:
    topics = Topics()
    async with connected(topics) as (server, client), client.subscribe(CHANNEL) as prices:
        old = await server.accept()
        await old.say(type="bye", code=1001, retry=True, after_ms=500)
        await server.accept()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await old.connection.wait_closed()
        await topics.publish(CHANNEL, 1)

        assert len(topics.subscribers[CHANNEL]) == 1
        assert await take(prices, 1) == [1]
        assert prices.holds


async def test_an_idle_subscription_pings() -> None:
    topics = Topics()
    settings = Settings(keepalive_seconds=0.05)
    async with connected(topics, settings) as (server, client), client.subscribe(CHANNEL) as prices:
        await until(lambda: [each["action"] for each in topics.asked].count("ping") >= 3)
        await topics.publish(CHANNEL, 1)

        assert await take(prices, 1) == [1]
        assert len(server.handshakes) == 1
