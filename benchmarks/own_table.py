"""Measure how soon subscribers have what was written to an application's own table, over `pushaside local`.

The application is `examples/orders`. No line of it says that its results change: its computes read the table, and
whoever subscribes to a result gets the new one after a write.

One at a time: a write of an order until the customer, who is subscribed to the customer's orders, has it. The next one
is written after that.

Many: 200 subscribers of the orders of 50 customers, and 100 writes a second for a minute. The benchmark fails unless
every subscriber has all orders in the end. The figures are the times from each write until a subscriber has that state
or a later one.

The benchmark starts its own stack on free ports. The figures are of gateway, functions, services and clients together
on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import boto3
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks._measuring import print_table
from push.testing.local_applications import LocalApplication, run_locally

APPLICATION = Path(__file__).parent.parent / "examples" / "orders"
WAIT_SECONDS = 30.0
WARM_UP_WRITES = 5
WRITERS = 10
"""They divide the customers, so that writes of one customer keep their order."""

NUMBER = 1
"""Every write replaces the same order of a customer; its total counts the writes."""


class Table:
    """The table of orders, written with boto3 as the shop's own service does."""

    def __init__(self, stack: LocalApplication) -> None:
        self._name = stack.table_name("Orders")
        self._client = boto3.client("dynamodb", **stack.aws)  # type: ignore[call-overload]

    def write(self, customer: str, total: int) -> None:
        order = {"item": "lamp", "status": "open", "placed_at": "2026-01-01T00:00:00Z"}
        row: dict[str, Any] = {name: {"S": value} for name, value in {"customer": customer, **order}.items()}
        numbers = {"number": {"N": str(NUMBER)}, "total": {"N": str(total)}}
        self._client.put_item(TableName=self._name, Item={**row, **numbers})


class Subscriber:
    """A customer that is subscribed to its orders, and when it had which total."""

    def __init__(self, socket: ClientConnection, customer: str) -> None:
        self._socket = socket
        self.customer = customer
        self.seen: list[tuple[int, float]] = []
        self.newest = 0
        self._changed = asyncio.Event()

    async def subscribe(self) -> None:
        message = {
            "action": "subscribe",
            "id": "1",
            "compute": "customer_orders",
            "params": {"customer": self.customer},
        }
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(WAIT_SECONDS):
            while (frame := json.loads(await self._socket.recv()))["type"] != "subscribed":
                if frame["type"] == "error":
                    raise SystemExit(f"A subscription was refused: {frame}")

    async def listen(self) -> None:
        """Note every update until cancelled."""
        async for text in self._socket:
            frame = json.loads(text)
            totals = [row["total"] for row in frame.get("data") or () if row["number"] == NUMBER]
            if frame["type"] == "update" and totals:
                self.newest = int(totals[0])
                self.seen.append((self.newest, time.perf_counter()))
                self._changed.set()

    async def wait_for(self, total: int) -> float:
        """Wait until the newest total is this one, and return the time of its update."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self.newest != total:
                self._changed.clear()
                await self._changed.wait()
        return self.seen[-1][1]

    def waits_ms(self, written: Sequence[tuple[int, float]]) -> list[float]:
        """Return for each write the milliseconds until the subscriber had its total or a later one."""
        waits, updates = [], iter(self.seen)
        total, seen_at = next(updates)
        for wanted, written_at in written:
            while total < wanted:
                total, seen_at = next(updates)
            waits.append((seen_at - written_at) * 1000)
        return waits


async def open_subscribers(
    opened: AsyncExitStack, stack: LocalApplication, customers: Sequence[str], each: int
) -> list[Subscriber]:
    subscribers = []
    for customer in customers:
        headers = {"Authorization": f"Bearer {stack.token(customer)}"}
        for _ in range(each):
            socket = await opened.enter_async_context(connect(stack.websocket, additional_headers=headers))
            subscribers.append(Subscriber(socket, customer))
    for subscriber in subscribers:
        await subscriber.subscribe()
    return subscribers


async def measure_one_at_a_time(stack: LocalApplication, writes: int) -> list[float]:
    """Return the milliseconds from just before each write until the subscriber has it."""
    table, waits = Table(stack), []
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        (subscriber,) = await open_subscribers(opened, stack, ["zoe"], 1)
        listening = tasks.create_task(subscriber.listen())
        for total in range(1, WARM_UP_WRITES + writes + 1):
            began = time.perf_counter()
            await asyncio.to_thread(table.write, "zoe", total)
            waits.append((await subscriber.wait_for(total) - began) * 1000)
        listening.cancel()
    return waits[WARM_UP_WRITES:]


async def measure_many(
    stack: LocalApplication, customers: int, subscribers: int, writes_per_second: float, seconds: float
) -> tuple[list[float], list[float]]:
    """Return the waits for all writes, and for the last write to each result."""
    table, names = Table(stack), [f"customer-{number}" for number in range(customers)]
    written: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        found = await open_subscribers(opened, stack, names, subscribers // customers)
        listening = [tasks.create_task(each.listen()) for each in found]
        began = time.perf_counter()

        async def write(writer: int) -> None:
            for number in range(writer, int(writes_per_second * seconds), WRITERS):
                await asyncio.sleep(began + number / writes_per_second - time.perf_counter())
                name, total = names[number % customers], number // customers + 1
                written[name].append((total, time.perf_counter()))
                await asyncio.to_thread(table.write, name, total)

        await asyncio.gather(*map(write, range(WRITERS)))
        took = time.perf_counter() - began
        await asyncio.gather(*(each.wait_for(written[each.customer][-1][0]) for each in found))
        for each in listening:
            each.cancel()
    print(f"{int(writes_per_second * seconds):,} writes in {took:.1f} s; {len(found)} subscribers have the last state")
    waits = [each.waits_ms(written[each.customer]) for each in found]
    return [wait for one in waits for wait in one], [one[-1] for one in waits]


def cells(title: str, waits: Sequence[float]) -> tuple[str, ...]:
    ordered = sorted(waits)
    return (
        title,
        f"{statistics.median(ordered):,.1f}",
        f"{ordered[len(ordered) * 99 // 100]:,.1f}",
        f"{ordered[-1]:,.1f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=50, help="writes one at a time")
    parser.add_argument("--customers", type=int, default=50)
    parser.add_argument("--subscribers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100.0, help="writes a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2, help="warm environments for requests")
    options = parser.parse_args()
    if options.customers % WRITERS:
        parser.error(f"--customers must be a multiple of {WRITERS}")
    with (
        tempfile.TemporaryDirectory(prefix="own-table-") as folder,
        run_locally(APPLICATION, Path(folder), "--workers", str(options.workers)) as stack,
    ):
        rows = [cells("one at a time", asyncio.run(measure_one_at_a_time(stack, options.writes)))]
        many = measure_many(stack, options.customers, options.subscribers, options.rate, options.seconds)
        every, last = asyncio.run(many)
    rows += [cells("many, every write", every), cells("many, the last write to each result", last)]
    print_table(("a write, until a subscriber has it: ms", "median", "p99", "longest"), rows)


if __name__ == "__main__":
    main()
