"""A gateway, and what pushes to all of its connections whatever is posted: our fan-out's worker, or boto3.

Subscriptions are read from memory, and there are no queues: what is measured are the pushes, one signed POST each.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT))

from benchmarks.fan_out import THREADS, Worker, make_client  # noqa: E402 - the path comes first
from benchmarks.gateway_echo import serve  # noqa: E402
from tests.servers.valkey import valkey  # noqa: E402

Push = Callable[[bytes], Awaitable[object]]


class Gateway:
    """The gateway's process, with functions that nobody calls."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, end = context.Pipe()
        settings = argparse.Namespace(answer_bytes=0, profile=None)
        self._process = context.Process(target=serve, args=(settings, end), daemon=True)
        self._process.start()
        self.port = cast(int, _receive(self._pipe))

    def connection_ids(self) -> list[str]:
        """Return whom there is to push to."""
        os.kill(cast(int, self._process.pid), signal.SIGUSR1)
        return cast(tuple[list[str], float, int], _receive(self._pipe))[0]

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.join(5)


def _receive(pipe: Connection) -> object:
    if not pipe.poll(30):
        raise TimeoutError("the gateway does not answer")
    return pipe.recv()


def make_push(way: str, endpoint: str, redis_url: str, ids: list[str], stack: ExitStack) -> Push:
    """Return what pushes to everybody."""
    if way == "lean":
        return Worker(endpoint, redis_url, ids).publish
    client = make_client(endpoint)

    def post(connection_id: str, data: bytes) -> None:
        client.post_to_connection(ConnectionId=connection_id, Data=data)

    def post_all(data: bytes) -> None:
        for each in ids:
            post(each, data)

    if way == "loop":
        return lambda data: asyncio.to_thread(post_all, data)
    pool = stack.enter_context(ThreadPoolExecutor(THREADS))
    return lambda data: asyncio.to_thread(lambda: list(pool.map(post, ids, [data] * len(ids))))


class Posts:
    """Receives posts, and pushes to the connections that are open at the first post of each connection."""

    def __init__(self, gateway: Gateway, make: Callable[[list[str]], Push]) -> None:
        self._gateway = gateway
        self._make = make

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Push each body of one publisher's connection, and answer when that is done."""
        push: Push | None = None
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                push = push or self._make(self._gateway.connection_ids())
                await push(await reader.readexactly(int(length)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()


async def run(options: argparse.Namespace, gateway: Gateway, redis_url: str, stack: ExitStack) -> None:
    endpoint, stopped = f"http://127.0.0.1:{gateway.port}/v1", asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    posts = Posts(gateway, lambda ids: make_push(options.way, endpoint, redis_url, ids, stack))
    async with await asyncio.start_server(posts.take, "127.0.0.1", options.publish_port):
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=("lean", "loop", "threads"), required=True)
    parser.add_argument("--publish-port", type=int, required=True)
    parser.add_argument("--port-file", type=Path, required=True, help="where to write the gateway's port")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        gateway = Gateway()
        stack.callback(gateway.close)
        options.port_file.write_text(str(gateway.port))
        redis_url = stack.enter_context(valkey())
        # On the standard library's event loop, as in Lambda.
        asyncio.run(run(options, gateway, redis_url, stack))


if __name__ == "__main__":
    main()
