"""Topics on the whole stack, with clients that know nothing but frames: channels and live results."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Stack
from tests.e2e.sources import Sources
from tests.e2e.topic_clients import Frame, Listener, epoch_of, offset_of
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

HISTORY_SIZE = 1000
"""Of a channel that no other entry of the shipped namespaces matches."""


def call(stack: Stack, path: str, document: object = None, **headers: str) -> tuple[int, Any]:
    body = None if document is None else json.dumps(document).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(stack.http + path, body, {"content-type": "application/json", **names})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


async def post(stack: Stack, topic: str, document: object, **headers: str) -> Any:
    status, answer = await asyncio.to_thread(call, stack, f"topics/{quote(topic, safe='')}", document, **headers)
    assert status == 200, answer
    return answer


@pytest.fixture
async def listeners(stack: Stack) -> AsyncIterator[list[Listener]]:
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(Listener.at(stack.websocket)) for _ in range(3)]


@pytest.fixture
def topic() -> str:
    return f"room:{uuid.uuid4().hex}"


async def test_every_subscriber_gets_every_message_once_and_in_order(listeners: list[Listener], topic: str) -> None:
    for each in listeners:
        assert (await each.subscribe(topic=topic))["recovered"] is True
    positions = [await listeners[0].publish(topic, number) for number in range(30)]
    for each in listeners:
        updates = await each.updates(topic, 30)
        assert [update["data"] for update in updates] == list(range(30))
        assert [update["position"] for update in updates] == positions
        assert await each.hears_nothing(topic)
        assert each.repeated == 0


async def test_what_several_publish_at_once_comes_to_all_in_one_order(listeners: list[Listener], topic: str) -> None:
    for each in listeners:
        await each.subscribe(topic=topic)
    positions = await asyncio.gather(*(each.publish(topic, number) for each in listeners for number in range(20)))
    told = [await each.updates(topic, 60) for each in listeners]
    assert told[0] == told[1] == told[2]
    assert [offset_of(update) for update in told[0]] == list(range(1, 61))
    assert {update["position"] for update in told[0]} == set(positions)


async def test_http_publishes_one_message_or_several(stack: Stack, listeners: list[Listener], topic: str) -> None:
    await listeners[0].subscribe(topic=topic)
    one = await post(stack, topic, {"data": {"n": 1}})
    several = await post(stack, topic, {"messages": [{"data": 2}, {"id": "three", "data": [3]}, {"data": None}]})
    updates = await listeners[0].updates(topic, 4)
    assert [update["data"] for update in updates] == [{"n": 1}, 2, [3], None]
    assert [update["position"] for update in updates] == [one["position"], *several["positions"]]


async def test_a_repeated_idempotency_key_is_one_message(stack: Stack, listeners: list[Listener], topic: str) -> None:
    await listeners[0].subscribe(topic=topic)
    key = uuid.uuid4().hex
    answers = [await post(stack, topic, {"data": "once"}, idempotency_key=key) for _ in range(3)]
    batches = [await post(stack, topic, {"messages": [{"id": "a", "data": "twice"}]}) for _ in range(2)]
    assert len({answer["position"] for answer in answers}) == 1
    assert batches[0] == batches[1]
    assert [update["data"] for update in await listeners[0].updates(topic, 2)] == ["once", "twice"]
    assert await listeners[0].hears_nothing(topic)


async def test_who_was_cut_off_gets_what_was_published_meanwhile(
    stack: Stack, listeners: list[Listener], topic: str
) -> None:
    async with Listener.at(stack.websocket) as first:
        await first.subscribe(topic=topic)
        await listeners[0].publish(topic, 0)
        (seen,) = await first.updates(topic, 1)
        first.socket.transport.abort()
    for number in range(1, 6):
        await listeners[0].publish(topic, number)
    answer = await listeners[1].subscribe(topic=topic, since=seen["position"])
    later = await listeners[0].publish(topic, 6)
    updates = await listeners[1].updates(topic, 6)
    assert answer["recovered"] is True
    assert [update["data"] for update in updates] == [1, 2, 3, 4, 5, 6]
    assert updates[-1]["position"] == later
    assert await listeners[1].hears_nothing(topic)


async def test_hello_resumes_topics_where_they_were(listeners: list[Listener], topic: str) -> None:
    positions = [await listeners[0].publish(topic, number) for number in range(4)]
    welcome = await listeners[1].ask("hello", positions={topic: positions[1]})
    assert welcome["type"] == "welcome"
    assert [update["data"] for update in await listeners[1].updates(topic, 2)] == [2, 3]


async def test_beyond_the_history_there_is_a_snapshot_and_no_silent_gap(
    stack: Stack, listeners: list[Listener], topic: str
) -> None:
    first = (await listeners[0].subscribe(topic=topic))["position"]
    for batch in range(HISTORY_SIZE // 100 + 1):
        await post(stack, topic, {"messages": [{"data": batch * 100 + number} for number in range(100)]})
    head = f"{first.partition(':')[0]}:{HISTORY_SIZE + 100}"

    answer = await listeners[1].subscribe(topic=topic, since=first)
    assert (answer["recovered"], answer["position"], answer["data"]) == (False, head, HISTORY_SIZE + 99)

    await listeners[2].ask("hello", positions={topic: first})
    told = await listeners[2].next(topic)
    assert (told["type"], told["position"], told["data"]) == ("resync", head, HISTORY_SIZE + 99)

    for each in listeners[1:]:
        await each.publish(topic, "and on")
        # A fan-out that is still behind by more than the history sends snapshots here, too.
        while (told := await each.next(topic))["position"] == head:
            assert (told["type"], told["data"]) == ("resync", HISTORY_SIZE + 99)
        assert told["type"] in ("update", "resync")
        assert told["data"] == "and on"


async def test_a_position_of_another_epoch_is_not_recovered(listeners: list[Listener], topic: str) -> None:
    position = await listeners[0].publish(topic, "newest")
    answer = await listeners[1].subscribe(topic=topic, since="gone:7")
    assert (answer["recovered"], answer["position"], answer["data"]) == (False, position, "newest")


async def test_who_unsubscribes_is_told_no_more(listeners: list[Listener], topic: str) -> None:
    for each in listeners[:2]:
        await each.subscribe(topic=topic)
    await listeners[0].publish(topic, 1)
    for each in listeners[:2]:
        await each.updates(topic, 1)
    answer = await listeners[0].ask("unsubscribe", topic=topic)
    assert (answer["type"], answer["topic"]) == ("unsubscribed", topic)
    await listeners[2].publish(topic, 2)
    assert (await listeners[1].updates(topic, 1))[0]["data"] == 2
    assert await listeners[0].hears_nothing(topic)


@pytest.mark.parametrize("name", ["", "lobby", "room:", ":name", "room:a b", "room:" + "x" * 129, "room:ü"])
async def test_what_is_no_topic_is_refused(listeners: list[Listener], name: str) -> None:
    for action, fields in (("subscribe", {}), ("publish", {"data": 1})):
        answer = await listeners[0].ask(action, topic=name, **fields)
        assert (answer["type"], answer["error"]["code"]) == ("error", "invalid_message")


async def test_nobody_publishes_a_live_result(stack: Stack, listeners: list[Listener]) -> None:
    topic = (await listeners[0].subscribe(compute="leaderboard", params={"board": "demo"}))["topic"]
    answer = await listeners[0].ask("publish", topic=topic, data=[])
    assert answer["error"]["code"] == "forbidden"
    status, problem = await asyncio.to_thread(call, stack, f"topics/{quote(topic, safe='')}", {"data": []})
    assert (status, problem["code"]) == (403, "forbidden")


async def test_a_topic_tells_where_it_is_and_how_many_listen(
    stack: Stack, listeners: list[Listener], topic: str
) -> None:
    for each in listeners:
        await each.subscribe(topic=topic)
    position = await listeners[0].publish(topic, 1)
    status, page = await asyncio.to_thread(call, stack, f"topics/{quote(topic, safe='')}")
    assert status == 200
    assert (page["topic"], page["position"], page["subscribers"]) == (topic, position, 3)


async def told_until(listener: Listener, topic: str, data: object) -> list[Frame]:
    """Return what a client is told until it has certain data."""
    told = [await listener.next(topic)]
    while told[-1].get("data") != data:
        told.append(await listener.next(topic))
    return told


def assert_in_order(told: list[Frame]) -> None:
    """See that what is told last is later than what came before, and of the same epoch."""
    assert len({epoch_of(frame) for frame in told}) == 1
    offsets = [offset_of(frame) for frame in told]
    assert offsets == sorted(offsets)


async def test_all_who_subscribe_to_a_board_see_each_change_once_and_in_order(
    listeners: list[Listener], sources: Sources
) -> None:
    board = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_score, board, "ann", 1)
    topics = {(await each.subscribe(compute="leaderboard", params={"board": board}))["topic"] for each in listeners}
    (topic,) = topics
    value: object = [{"rank": 1, "member": "ann", "score": 1}]
    for each in listeners:
        await told_until(each, topic, value)

    for score in range(2, 7):
        await asyncio.to_thread(sources.put_score, board, "ann", score)
        value = [{"rank": 1, "member": "ann", "score": score}]
        told = [await told_until(each, topic, value) for each in listeners]
        assert [len(each) for each in told] == [1, 1, 1]
        assert told[0] == told[1] == told[2]
    for each in listeners:
        assert await each.hears_nothing(topic)


async def test_of_changes_in_a_row_the_last_always_arrives(listeners: list[Listener], sources: Sources) -> None:
    board = uuid.uuid4().hex
    topics = {(await each.subscribe(compute="leaderboard", params={"board": board}))["topic"] for each in listeners}
    (topic,) = topics
    for score in range(40):
        await asyncio.to_thread(sources.put_score, board, "ann", score)
    value = [{"rank": 1, "member": "ann", "score": 39}]
    for each in listeners:
        told = await told_until(each, topic, value)
        assert_in_order(told)
        scores = [frame["data"][0]["score"] for frame in told if frame["data"]]
        assert scores == sorted(scores)
        assert await each.hears_nothing(topic)


async def test_who_comes_back_to_a_live_result_gets_its_newest_value(
    stack: Stack, listeners: list[Listener], sources: Sources
) -> None:
    board = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_score, board, "ann", 1)
    question = {"compute": "leaderboard", "params": {"board": board}}
    async with Listener.at(stack.websocket) as first:
        topic = (await first.subscribe(**question))["topic"]
        seen = (await told_until(first, topic, [{"rank": 1, "member": "ann", "score": 1}]))[-1]
    await asyncio.to_thread(sources.put_score, board, "ann", 2)
    await asyncio.sleep(1.5)

    newest = [{"rank": 1, "member": "ann", "score": 2}]
    await listeners[0].subscribe(**question, since=seen["position"])
    await told_until(listeners[0], topic, newest)


async def test_a_changed_document_is_told(listeners: list[Listener], sources: Sources) -> None:
    collection = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_document, collection, "a", [1])
    question = {"compute": "documents", "params": {"collection": collection}}
    (topic,) = {(await each.subscribe(**question))["topic"] for each in listeners}
    for each in listeners:
        await told_until(each, topic, [1])
    await asyncio.to_thread(sources.put_document, collection, "a", [2])
    for each in listeners:
        told = await told_until(each, topic, [2])
        assert_in_order(told)
