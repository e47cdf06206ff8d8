"""A source changes, and within about a second everybody is answered with the new value, long before any TTL."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.conftest import Stack, running
from tests.e2e.sources import Sources
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SHOWN_SECONDS = 1.5
"""About a second, and some for a machine that does other things besides. The results' TTLs are 5 and 60 s."""

SETTLED_SECONDS = 1.0
"""Longer than a result is answered from an environment's memory without a look at Redis."""

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own: what others subscribed to would be computed at a change too, and counted."""
    with running(tmp_path_factory.mktemp("changes")) as started:
        yield started


@dataclass(frozen=True)
class Asker:
    """Several sockets, so that all environments are asked."""

    sockets: list[ClientConnection]

    async def ask(self, socket: ClientConnection, compute: str, params: dict[str, Any]) -> Answer:
        """Return the result for one request."""
        message = {"action": "request", "id": uuid.uuid4().hex, "compute": compute, "params": params}
        await socket.send(json.dumps(message))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                frame: Answer = json.loads(await socket.recv())
                if frame["type"] != "accepted":
                    assert (frame["type"], frame["id"]) == ("result", message["id"]), frame
                    return frame

    async def ask_on_all(self, compute: str, params: dict[str, Any], times: int = 1) -> list[Answer]:
        """Return the results of asking on every socket at once, again and again."""
        answers: list[Answer] = []
        for _ in range(times):
            answers += await asyncio.gather(*(self.ask(socket, compute, params) for socket in self.sockets))
        return answers

    async def warm_up(self, compute: str, params: dict[str, Any]) -> Answer:
        """Ask until every environment answers from memory, and return the result."""
        await self.ask(self.sockets[0], compute, params)
        answers = await self.ask_on_all(compute, params, times=20)
        assert {answer["cache"] for answer in answers} == {"hit"}
        assert len({answer["etag"] for answer in answers}) == 1
        return answers[-1]

    async def until(self, compute: str, params: dict[str, Any], is_new: Callable[[Any], bool]) -> tuple[float, Answer]:
        """Ask until the new value comes, and return after how many seconds it did, and the answer."""
        began = time.monotonic()
        for socket in itertools.cycle(self.sockets):
            answer = await self.ask(socket, compute, params)
            seconds = time.monotonic() - began
            if is_new(answer["data"]):
                return seconds, answer
            assert seconds < SHOWN_SECONDS, f"still the old value after {seconds:.2f} s: {answer}"
            await asyncio.sleep(0.01)
        raise AssertionError("no sockets")

    async def all_have(self, compute: str, params: dict[str, Any], is_new: Callable[[Any], bool]) -> None:
        """See that every environment has the new value, once what it had in memory has run out."""
        await asyncio.sleep(SETTLED_SECONDS)
        answers = await self.ask_on_all(compute, params, times=5)
        assert all(is_new(answer["data"]) for answer in answers)


@pytest.fixture
async def asker(stack: Stack) -> AsyncIterator[Asker]:
    async with AsyncExitStack() as opened:
        yield Asker([await opened.enter_async_context(connect(stack.websocket)) for _ in range(12)])


def marker() -> str:
    return f"Renamed {uuid.uuid4().hex}"


async def test_a_changed_airport_shows_everywhere(asker: Asker, sources: Sources) -> None:
    params = {"collection": "airports", "ids": ["WY"]}
    before = await asker.warm_up("documents", params)
    airport = {**before["data"][0], "name": marker()}
    changed = [airport, *before["data"][1:]]

    await asyncio.to_thread(sources.put_document, "airports", "WY", changed)
    seconds, answer = await asker.until("documents", params, changed.__eq__)

    assert seconds < SHOWN_SECONDS
    assert answer["etag"] != before["etag"]
    await asker.all_have("documents", params, changed.__eq__)


async def test_an_object_that_changed_alone_shows_too(asker: Asker, sources: Sources) -> None:
    params = {"collection": "airports", "ids": ["VT"], "query": "[0].name"}
    before = await asker.warm_up("documents", params)
    name = marker()

    await asyncio.to_thread(sources.put_object, "airports", "VT", [{"name": name}])
    _, answer = await asker.until("documents", params, name.__eq__)

    assert answer["etag"] != before["etag"]
    await asker.all_have("documents", params, name.__eq__)


async def test_a_document_that_is_added_shows_in_its_collection(asker: Asker, sources: Sources) -> None:
    collection = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_document, collection, "a", [1])
    # Its own change is through then, and outdates nothing any more.
    await asyncio.sleep(SETTLED_SECONDS)
    params = {"collection": collection}
    assert (await asker.warm_up("documents", params))["data"] == [1]

    await asyncio.to_thread(sources.put_document, collection, "b", [2])
    await asker.until("documents", params, [1, 2].__eq__)


async def test_what_did_not_change_stays_in_memory(asker: Asker, sources: Sources) -> None:
    params = {"collection": "airports", "ids": ["RI"]}
    await asker.warm_up("documents", params)
    computed_before = time.monotonic()
    await asyncio.to_thread(sources.put_document, "airports", "NH", [{"name": marker()}])
    await asyncio.sleep(SETTLED_SECONDS)
    since_ms = (time.monotonic() - computed_before) * 1000
    answers = await asker.ask_on_all("documents", params, times=5)
    assert {answer["cache"] for answer in answers} == {"hit"}
    assert all(answer["age_ms"] >= since_ms for answer in answers)


async def test_whoever_finds_it_changed_first_waits_nobody_else_and_it_is_computed_once(
    asker: Asker, sources: Sources, stack: Stack
) -> None:
    params = {"collection": "airports", "ids": ["ND"], "query": "[0].name"}
    await asker.warm_up("documents", params)
    computes = stack.stats()["computes"]["documents"]
    name = marker()

    await asyncio.to_thread(sources.put_object, "airports", "ND", [{"name": name}])
    answers: list[Answer] = []
    until = time.monotonic() + SHOWN_SECONDS
    while time.monotonic() < until:
        answers += await asker.ask_on_all("documents", params)

    assert {answer["data"] for answer in answers[-len(asker.sockets) :]} == {name}
    caches = Counter(answer["cache"] for answer in answers)
    assert caches["miss"] == 1, caches
    assert stack.stats()["computes"]["documents"] - computes == 1


async def test_a_score_that_is_written_shows_on_the_board(asker: Asker, sources: Sources) -> None:
    params = {"board": "demo", "top": 3}
    await asker.warm_up("leaderboard", params)
    member = uuid.uuid4().hex

    await asyncio.to_thread(sources.put_score, "demo", member, 10**9)
    first = {"rank": 1, "member": member, "score": 10**9}
    await asker.until("leaderboard", params, lambda entries: entries[0] == first)

    await asyncio.to_thread(sources.delete_score, "demo", member)
    await asker.until("leaderboard", params, lambda entries: entries[0]["member"] != member)
