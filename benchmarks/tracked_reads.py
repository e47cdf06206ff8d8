"""Measure what tracked reads cost a miss: the compute function with a compute that queries a table of its own.

The same compute reads it tracked; past the context, untracked, with a tag that its author names; and without any tag,
so that no change would be noticed. Batches of the three take turns. Every key is cold and asks for another customer,
so no version is known before its run: the most expensive case. Beside the parts of `miss_path.py` a bare server of
DynamoDB answers each query with the same ten rows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import sys
import time
import zlib
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httptools
import msgspec

from benchmarks._measuring import print_table
from benchmarks.hit_path import TIMER_SECONDS
from benchmarks.miss_path import (
    WARM_UP_BATCHES,
    Misses,
    _figures,
    _set_environment,
    running_connections,
    running_queue,
)
from push import Context, compute
from tests.servers.valkey import valkey

SOURCES = '{"tables":{"Orders":{"name":"shop-Orders-1AB2C3","indexes":{"by-status":["status","placed_at"]}}}}'
MESSAGE = '{"action":"request","id":"r%%d","compute":"%s","params":{"customer":"customer-%%d"}}'
ROWS = [
    {"customer": {"S": "ann"}, "placed_at": {"S": f"2026-11-{day}"}, "status": {"S": "open"}, "price": {"N": "12.5"}}
    for day in range(10, 20)
]


@compute
async def tracked_orders(context: Context, customer: str) -> int:
    """Count the orders of a customer."""
    return len(await context.table("Orders").query({"customer": customer}))


@compute(tags=lambda customer: [f"orders/{customer}"])
async def tagged_orders(context: Context, customer: str) -> int:
    """Do the same, with a tag of the author's."""
    return len(await context._sources.table("Orders").query({"customer": customer}))  # noqa: SLF001 - what it is about


@compute
async def untagged_orders(context: Context, customer: str) -> int:
    """Do the same, and notice no change."""
    return len(await context._sources.table("Orders").query({"customer": customer}))  # noqa: SLF001 - what it is about


class AnsweringRows(asyncio.Protocol):
    """A server that answers every request with the rows."""

    body = msgspec.json.encode({"Items": ROWS, "Count": len(ROWS), "ScannedCount": len(ROWS)})
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
        b"x-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n%b" % (zlib.crc32(body), len(body), body)
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(self.answer)


def serve(port_out: Connection) -> None:
    """Report the port, and serve until terminated."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(AnsweringRows, "127.0.0.1", 0)
        port_out.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextlib.contextmanager
def running_table() -> Iterator[str]:
    """Run the table and yield its endpoint."""
    port_in, port_out = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port_out,), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{port_in.recv()}"
    finally:
        server.terminate()
        server.join()


def measure(misses: Misses, name: str) -> tuple[float, float]:
    """Compute a batch and return the seconds of CPU and of time."""
    misses.ask(MESSAGE % name)
    started = time.perf_counter()
    cpu = misses.compute()
    return cpu, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # Guardians arrive five seconds after their jobs, and are not to be among the measured ones.
    parser.add_argument("--batches", type=int, default=40)
    options = parser.parse_args()
    with valkey() as redis, running_queue() as queues, running_connections() as connections, running_table() as table:
        _set_environment(redis, queues, connections)
        os.environ.update(
            AWS_ENDPOINT_URL_DYNAMODB=table,
            SOURCES=SOURCES,
            COMPUTE_MODULES="benchmarks.tracked_reads",
            AWS_CLIENTS="lean",
        )
        names = ("untagged_orders", "tagged_orders", "tracked_orders")
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        with Path(os.devnull).open("w") as output, contextlib.redirect_stdout(output):
            misses = Misses(f"{queues}/0/compute")
            for _ in range(WARM_UP_BATCHES + options.batches):
                for name in names:
                    figures[name].append(measure(misses, name))
            time.sleep(TIMER_SECONDS)
    rows = []
    for name in names:
        cpu, elapsed = zip(*figures[name][WARM_UP_BATCHES:], strict=True)
        rows.append((name, _figures(list(cpu)), _figures(list(elapsed))))
    print_table(("compute", "us of CPU per miss", "us per miss, ten at a time"), rows)


if __name__ == "__main__":
    main()
