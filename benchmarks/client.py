"""Measure the client's CPU per request, beside the bare `websockets` library with the same exchange.

Both send the same request, match the answer by its id and decode it with orjson. The client also keeps deadlines,
retries, detects dead connections and follows the service's hints. The server is a separate process that answers at
once. Each round measures both in turn over one connection: with many requests in flight, and with one at a time. The
figures are microseconds of this process's CPU time per request: median of the rounds, minimum and maximum.

A second table has the cost of a patched update of leaderboards of about 1 KB and 100 KB: to apply a JSON Patch by the
client's own module and by `jsonpatch`, and to digest the patched value.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jsonpatch
import orjson
import websockets.asyncio.client
import websockets.asyncio.server

import pushaside
from benchmarks._measuring import Rounds, measure_in_turn, print_table, repeat
from pushaside.protocol.patches import apply_operations, make_digest

PARAMS = {"collection": "airports", "ids": ["TX"]}
DATA = [{"iata": "DFW", "name": "Dallas-Fort Worth International", "city": "Dallas-Fort Worth", "state": "TX"}]

Ask = Callable[[], Awaitable[object]]


def serve(ready: Pipe) -> None:
    """Answer every request at once, until the process ends."""
    answer = {"key": "documents@1:ab12cd34ef", "etag": "5f2a", "cache": "hit", "age_ms": 12, "data": DATA}

    async def handle(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for text in connection:
            message = orjson.loads(text)
            kind = {"type": "welcome"} if message["action"] == "hello" else {"type": "result", **answer}
            await connection.send(orjson.dumps({**kind, "id": message["id"]}), text=True)

    async def run() -> None:
        async with websockets.asyncio.server.serve(handle, "127.0.0.1", 0, compression=None) as server:
            ready.send(server.sockets[0].getsockname()[1])
            await server.wait_closed()

    asyncio.run(run())


class Bare:
    """The exchange with `websockets` alone: one task receives answers and sets the future of each id."""

    def __init__(self, websocket: websockets.asyncio.client.ClientConnection) -> None:
        self._websocket = websocket
        self._ids = itertools.count(1)
        self._futures: dict[str, asyncio.Future[Any]] = {}

    async def request(self) -> object:
        request_id = f"r-{next(self._ids):x}"
        message = {"action": "request", "id": request_id, "compute": "documents", "params": PARAMS}
        future = self._futures[request_id] = asyncio.get_running_loop().create_future()
        await self._websocket.send(orjson.dumps({**message, "deadline_ms": 30000}), text=True)
        return await future

    async def receive(self) -> None:
        while True:
            answer = orjson.loads(await self._websocket.recv(decode=False))
            self._futures.pop(answer["id"]).set_result(answer)


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Ask]:
    async with websockets.asyncio.client.connect(url, compression=None, ping_interval=None, proxy=None) as websocket:
        client = Bare(websocket)
        receiving = asyncio.create_task(client.receive())
        yield client.request
        receiving.cancel()


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Ask]:
    async with pushaside.connect(url) as client:
        yield lambda: client.request("documents", PARAMS)


async def in_flight(ask: Ask, requests: int, at_once: int) -> None:
    """Make requests, with a fixed number of them under way."""
    left = itertools.repeat(None, requests)

    async def work() -> None:
        for _ in left:
            await ask()

    await asyncio.gather(*(work() for _ in range(at_once)))


async def measure(url: str, at_once: int, requests: int, rounds: int) -> list[Rounds]:
    figures: list[list[float]] = [[], []]
    async with bare(url) as ask_bare, ours(url) as ask_ours:
        for _ in range(rounds + 1):
            for ask, taken in zip((ask_bare, ask_ours), figures, strict=True):
                started = time.process_time()
                await in_flight(ask, requests, at_once)
                taken.append((time.process_time() - started) / requests * 1e6)
    # The first round warms up.
    return [Rounds(tuple(taken[1:])) for taken in figures]


def ratio(theirs: Rounds, mine: Rounds) -> str:
    """Return the ratios within each round, in which both met the same conditions."""
    return f"{statistics.median(b / a for a, b in zip(theirs.microseconds, mine.microseconds, strict=True)):.2f}"


def board(ranks: int) -> list[dict[str, object]]:
    """Return a leaderboard, of about 80 bytes of JSON a rank."""
    return [
        {"rank": rank, "member": f"player-{rank:05d}", "score": 1000.5 + rank, "country": "DE", "streak": rank % 7}
        for rank in range(1, ranks + 1)
    ]


OPERATIONS: list[dict[str, object]] = [
    {"op": "replace", "path": "/3/score", "value": 1},
    {"op": "move", "from": "/5", "path": "/2"},
]


def measure_patches(ranks: int) -> tuple[str, Rounds, Rounds, Rounds]:
    """Apply two operations to a leaderboard, and digest it."""
    value = board(ranks)
    assert apply_operations(value, OPERATIONS) == jsonpatch.apply_patch(value, OPERATIONS)
    own, library, digest = measure_in_turn(
        [
            repeat(lambda: apply_operations(value, OPERATIONS)),
            repeat(lambda: jsonpatch.apply_patch(value, OPERATIONS)),
            repeat(lambda: make_digest(value)),
        ]
    )
    return f"{len(orjson.dumps(value)):,} bytes", own, library, digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000, help="requests of each client in each round")
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    server = context.Process(target=serve, args=(sending,), daemon=True)
    server.start()
    url = f"ws://127.0.0.1:{receiving.recv()}/v1"
    rows = []
    for name, at_once in (("100 in flight", 100), ("one at a time", 1)):
        theirs, mine = asyncio.run(measure(url, at_once, arguments.requests, arguments.rounds))
        rows.append((name, theirs, mine, ratio(theirs, mine)))
    server.terminate()
    server.join()
    print_table(("CPU per request (us)", "websockets", "pushaside", "ratio"), rows)
    patches = [measure_patches(ranks) for ranks in (13, 1250)]
    print_table(("CPU per patched update (us)", "apply: own", "apply: jsonpatch", "digest"), patches)


if __name__ == "__main__":
    main()
