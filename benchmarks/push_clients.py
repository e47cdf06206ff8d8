"""Measure pushes through `@connections` with the lean client and with boto3, against a bare server on loopback.

The figures are calls a second, and microseconds of CPU of the calling process per call: medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import boto3
import httptools
from botocore.config import Config

from push.adapters.aws.sigv4 import Credentials, Signer
from push.adapters.management.connections import ManagementConnections
from push.adapters.management.reference_connections import Boto3Connections
from push.delivery.ports import ClientConnections, PostOutcome

FRAME = "x" * 490
CREDENTIALS = ("AKIDEXAMPLE", "secret")


class Answering200(asyncio.Protocol):
    """A server that answers every request with an empty 200."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def serve(port_out: Connection) -> None:
    """Report the port, and serve until terminated."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answering200, "127.0.0.1", 0)
        port_out.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def make_lean(endpoint: str) -> ClientConnections:
    """Return the lean client."""
    return ManagementConnections(endpoint, Signer(Credentials(*CREDENTIALS), service="execute-api", region="us-east-1"))


def make_boto3(endpoint: str) -> ClientConnections:
    """Return boto3's client, with as many connections as the lean one."""
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS[0],
        aws_secret_access_key=CREDENTIALS[1],
        config=Config(max_pool_connections=50),
    )
    return Boto3Connections(client)


def measure(make: Callable[[str], ClientConnections], endpoint: str, calls: int, rounds: int) -> tuple[float, float]:
    """Return the median calls a second and microseconds of CPU per call."""

    async def main() -> tuple[float, float]:
        client = make(endpoint)
        frames = [(f"BFaT_fALIAM{number:05d}=", FRAME) for number in range(calls)]
        await client.post_all(frames[:50])
        rates, costs = [], []
        for _ in range(rounds):
            started, cpu = time.perf_counter(), time.process_time()
            outcomes = await client.post_all(frames)
            rates.append(calls / (time.perf_counter() - started))
            costs.append((time.process_time() - cpu) / calls * 1e6)
            if any(outcome is not PostOutcome.DELIVERED for outcome in outcomes):
                raise SystemExit("A push failed, so the figures mean nothing.")
        return statistics.median(rates), statistics.median(costs)

    return asyncio.run(main())


def main() -> None:
    """Measure both clients in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="pushes a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    port_in, port_out = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port_out,), daemon=True)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{port_in.recv()}/v1"
        print(f"{'client':<10}{'calls/s':>10}{'us CPU/call':>14}")
        for name, make in (("lean", make_lean), ("boto3", make_boto3)):
            rate, cost = measure(make, endpoint, arguments.calls, arguments.rounds)
            print(f"{name:<10}{rate:>10.0f}{cost:>14.0f}")
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
