"""Measure the time from a write to DynamoDB to the `update` at every subscriber, over `pushaside local`.

The benchmark writes a score of a leaderboard with boto3. The table's stream, the changes function, the compute and
fan-out follow. The figures are the times from just before the write until the first, the median and the last
subscriber has the change, and the duration of the write: the median over all changes, and the slowest. Each change is
written after all subscribers have seen the one before.

The benchmark starts its own stack on free ports. The figures are of gateway, functions, services and clients together
on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import boto3
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks._measuring import print_table
from benchmarks.cold_key import running

WAIT_SECONDS = 30.0
WARM_UP_CHANGES = 5


class Board:
    """A leaderboard of the stack, written with boto3."""

    def __init__(self, stack: dict[str, Any]) -> None:
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        formation = session.client("cloudformation", endpoint_url=stack["aws_endpoint"])
        resources = formation.describe_stack_resources(StackName="local")["StackResources"]
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        self.name = uuid.uuid4().hex
        self._table = names["ScoresTable"]
        self._client = session.client("dynamodb", endpoint_url=stack["aws_endpoint"])

    def write(self, score: int) -> float:
        """Write a score, and return the time at the end of the write."""
        row = {"board": {"S": f"public/{self.name}"}, "member": {"S": "ada"}, "score": {"N": str(score)}}
        self._client.put_item(TableName=self._table, Item=row)
        return time.perf_counter()


async def subscribe(socket: ClientConnection, board: Board) -> None:
    message = {"action": "subscribe", "id": "1", "compute": "leaderboard", "params": {"board": board.name}}
    await socket.send(json.dumps(message))
    while json.loads(await socket.recv())["type"] != "subscribed":
        pass


async def see(socket: ClientConnection, score: int) -> float:
    """Wait until a subscriber has a score, and return the time."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            frame = json.loads(await socket.recv())
            seen_at = time.perf_counter()
            if frame["type"] == "update" and any(each["score"] == score for each in frame["data"]):
                return seen_at


async def measure(stack: dict[str, Any], subscribers: int, changes: int) -> list[tuple[float, ...]]:
    """Return, for each change, the milliseconds to the end of the write and to the first, median and last update."""
    board = Board(stack)
    async with AsyncExitStack() as opened:
        sockets = [await opened.enter_async_context(connect(stack["websocket"])) for _ in range(subscribers)]
        await asyncio.gather(*(subscribe(socket, board) for socket in sockets))
        measured = [await measure_change(board, sockets, score) for score in range(1, WARM_UP_CHANGES + changes + 1)]
    return measured[WARM_UP_CHANGES:]


async def measure_change(board: Board, sockets: list[ClientConnection], score: int) -> tuple[float, ...]:
    seeing = asyncio.gather(*(see(socket, score) for socket in sockets))
    began = time.perf_counter()
    written_at = await asyncio.to_thread(board.write, score)
    seen_at = sorted(await seeing)
    moments = (written_at, seen_at[0], statistics.median(seen_at), seen_at[-1])
    return tuple((moment - began) * 1000 for moment in moments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2, help="warm environments for requests")
    options = parser.parse_args()
    with running(options.workers) as stack:
        measured = asyncio.run(measure(stack, options.subscribers, options.changes))
    columns = list(zip(*measured, strict=True))
    print(f"{options.subscribers} subscribers, {options.changes} changes, milliseconds from before the write")
    rows = [
        (title, *(f"{pick(column):.1f}" for column in columns))
        for title, pick in (("median", statistics.median), ("slowest", max))
    ]
    print_table(("", "written", "first update", "median update", "last update"), rows)


if __name__ == "__main__":
    main()
