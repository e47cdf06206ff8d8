"""The whole stack while its Redis is killed under load, and with no Redis at all."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

import pushaside
from tests.e2e.conftest import Stack, running
from tests.patience import PATIENCE_SECONDS
from tests.servers.valkey import free_port

pytestmark = pytest.mark.slow

CLIENTS = 6
REQUESTS_PER_SECOND = 200
HOT_KEYS = 20
ONE_COLD_IN = 10
LOAD_SECONDS = 8
KILLS_AFTER_SECONDS = (2.0, 5.0)

BOARDS, SCORES = 6, 30
STILL_MS, MOVES_SECONDS = 400, 1.0
ONE_UPDATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    is_cold: bool
    result: pushaside.Result


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("own-stack")) as started:
        yield started


@pytest.fixture(scope="module")
def without_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with running(tmp_path_factory.mktemp("without-redis"), "--redis-url", url) as started:
        yield started


async def put_load_on(clients: list[pushaside.Client], name: str, seconds: float) -> list[Answer]:
    """Ask at a steady rate, whether answers come or not, and return all answers; a request without one fails.

    Who is parked in a Redis that dies is forgotten, and asks again: the client does so by itself after ten seconds.
    """
    began_at = time.monotonic()
    turns = itertools.cycle(clients)

    async def ask_once(number: int) -> Answer:
        is_cold = number % ONE_COLD_IN == 0
        seed = f"{name} {number}" if is_cold else f"{name} hot {number % HOT_KEYS}"
        params = {"seed": seed, "size_bytes": 500, "work_ms": 20}
        result = await next(turns).request("synthetic", params, deadline=20.0)
        return Answer(is_cold, result)

    asking = []
    for number in range(int(seconds * REQUESTS_PER_SECOND)):
        await asyncio.sleep(max(0.0, began_at + number / REQUESTS_PER_SECOND - time.monotonic()))
        asking.append(asyncio.create_task(ask_once(number)))
    return await asyncio.gather(*asking)


async def kill_redis(stack: Stack, after_seconds: float) -> int:
    """Kill it without a warning; return the process id that it had."""
    await asyncio.sleep(after_seconds)
    pid = (await asyncio.to_thread(stack.stats))["processes"]["redis"]
    os.kill(pid, signal.SIGKILL)
    return int(pid)


async def until_stats(stack: Stack, path: str, value: int) -> dict[str, Any]:
    """Return the stats once the number of restarts is so high."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            stats = await asyncio.to_thread(stack.stats)
            if stats["restarts"][path] >= value:
                return stats
            await asyncio.sleep(0.05)


async def test_every_request_is_answered_while_redis_is_killed_under_load_and_started_anew(own_stack: Stack) -> None:
    name = uuid.uuid4().hex
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(pushaside.connect(own_stack.websocket)) for _ in range(CLIENTS)]
        await put_load_on(clients, name, 1.0)
        computes_before = own_stack.stats()["computes"]["synthetic"]
        answers, *killed = await asyncio.gather(
            put_load_on(clients, name, LOAD_SECONDS),
            *(kill_redis(own_stack, seconds) for seconds in KILLS_AFTER_SECONDS),
        )
        stats = await until_stats(own_stack, "redis", len(KILLS_AFTER_SECONDS))
        last = await put_load_on(clients, f"{name} afterwards", 1.0)

    assert len(answers) == LOAD_SECONDS * REQUESTS_PER_SECOND
    assert len({*killed, stats["processes"]["redis"]}) == len(killed) + 1
    assert stats["restarts"]["redis"] == len(killed)
    hot = [each for each in answers if not each.is_cold]
    # An empty Redis costs about one compute of each hot key, not one for everybody who asks.
    cold_computes = sum(each.is_cold for each in answers)
    hot_computes = stats["computes"]["synthetic"] - computes_before - cold_computes
    assert hot_computes < len(hot) / 10
    # The new server does what the old one did.
    assert {each.result.cache for each in last} - {"stale"} == {"hit", "miss"}
    assert own_stack.stats()["cache"]["hits"]["redis"] > 0


async def let_redis_stand_still(stack: Stack) -> None:
    """Have it answer nobody for a moment, longer than commands wait, again and again."""
    async with Redis.from_url(stack.redis_url) as redis:
        while True:
            await redis.client_pause(STILL_MS)
            await asyncio.sleep(MOVES_SECONDS)


async def follow(stack: Stack, dynamodb: Any, board: str) -> list[int]:
    """Write scores to a board, each when the one before it has been pushed; return what was pushed."""
    (table,) = [name for name in dynamodb.list_tables()["TableNames"] if "Scores" in name]
    pushed: list[int] = []
    async with (
        pushaside.connect(stack.websocket) as client,
        client.subscribe(compute="leaderboard", params={"board": board}) as subscription,
    ):
        for score in range(1, SCORES + 1):
            item = {"board": {"S": f"public/{board}"}, "member": {"S": "ada"}, "score": {"N": str(score)}}
            await asyncio.to_thread(dynamodb.put_item, TableName=table, Item=item)
            async with asyncio.timeout(ONE_UPDATE_SECONDS):
                while pushed[-1:] != [score]:
                    update = await anext(subscription)
                    pushed += [each["score"] for each in update.data or ()]
    return pushed


async def test_no_update_is_lost_while_redis_stands_still_now_and_then(own_stack: Stack) -> None:
    """Each of a change's five steps may meet it: the tags, the compute, the history, the fan-out, the subscription."""
    with closing(own_stack.client("dynamodb")) as dynamodb:
        standing = asyncio.create_task(let_redis_stand_still(own_stack))
        try:
            following = (follow(own_stack, dynamodb, uuid.uuid4().hex) for _ in range(BOARDS))
            followed = await asyncio.gather(*following)
        finally:
            standing.cancel()
            await asyncio.gather(standing, return_exceptions=True)
    assert standing.cancelled()
    assert followed == [list(range(1, SCORES + 1))] * BOARDS


async def test_without_redis_requests_are_computed_and_delivered(without_redis: Stack) -> None:
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(pushaside.connect(without_redis.websocket)) for _ in range(3)]
        asking = [
            client.request("synthetic", {"seed": f"alone {number}"}) for client in clients for number in range(20)
        ]
        results = await asyncio.gather(*asking)
        board = await clients[0].request("leaderboard", {"board": "demo", "top": 3})
        states = await clients[1].request("documents", {"collection": "airports", "query": "length(@)"})
    assert len({result.etag for result in results}) == 20
    assert {result.cache for result in results} == {"miss"}
    assert len(board.data) == 3
    assert states.data
    stats = without_redis.stats()
    assert stats["cache"]["hits"] == {}
    assert stats["restarts"] == {"redis": 0}
