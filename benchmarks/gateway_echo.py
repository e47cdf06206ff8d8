"""Measure the gateway alone, with functions in its process: echo over WebSockets, or pushes through `@connections`.

`python benchmarks/gateway_echo.py --connections 100 --seconds 5` starts a gateway in a child process, drives it with a
raw client from this one, and prints one JSON document: messages per second, latencies, CPU time per message on each
side. `--work push` sends POSTs instead, `--work idle` measures the memory of a connection, and `--profile FILE` writes
the gateway's cProfile statistics to a file.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import cProfile
import json
import multiprocessing
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import FunctionIntegration, Limits, MockIntegration, WebSocketApi, WebSocketRoute
from local.gateway.server import Gateway

SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/execute-api/aws4_request, "
    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + "0" * 64
)
ROUTES = {
    "echo": WebSocketRoute("echo", FunctionIntegration("echo"), has_response=True),
    "ping": WebSocketRoute("ping", MockIntegration('{"type":"pong"}'), has_response=True),
}


class InProcessFunctions:
    """Functions that answer all events of a turn of the loop at its end, as workers do."""

    def __init__(self, answer_bytes: int) -> None:
        body = json.dumps({"statusCode": 200, "body": "x" * answer_bytes})
        self._answer = Invocation(Outcome.RETURNED, body.encode())
        self._pending: list[Callable[[Invocation], None]] = []

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:  # noqa: ARG002
        """Record a call."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._answer_all)
        self._pending.append(on_end)

    def _answer_all(self) -> None:
        pending, self._pending = self._pending, []
        for on_end in pending:
            on_end(self._answer)


# The gateway's process


def serve(options: argparse.Namespace, pipe: Connection) -> None:
    profile = cProfile.Profile() if options.profile else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, pipe, profile))
    if profile is not None:
        profile.dump_stats(options.profile)


async def _serve(options: argparse.Namespace, pipe: Connection, profile: cProfile.Profile | None) -> None:
    api = WebSocketApi("bench", "v1", "$request.body.action", ROUTES)
    gateway = Gateway(api, None, Limits(), InProcessFunctions(options.answer_bytes))
    await gateway.start("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    stop, measure = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, measure.set)
    pipe.send(gateway.address[1])
    while not stop.is_set():
        waiting = [asyncio.ensure_future(event.wait()) for event in (stop, measure)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if measure.is_set():
            measure.clear()
            if profile is not None:
                profile.enable()
            pipe.send((list(gateway._stage.connections) if gateway._stage else [], _cpu_seconds(), _resident_bytes()))  # noqa: SLF001
    if profile is not None:
        profile.disable()
    await gateway.close(1.0)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The load generator's process


class EchoClient(asyncio.Protocol):
    """A client that keeps a number of messages under way, and reads frames only to count them."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._is_open = False
        self._sent_at: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: bench\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Count answers and send as many messages."""
        self._buffer += data
        if not self._is_open:
            head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            self._is_open = True
            self._load.opened(self)
        received = self._count_frames()
        if received:
            self._load.received(self, received, self._sent_at)

    def send(self, count: int) -> None:
        """Send messages in one write."""
        self._sent_at += [time.perf_counter()] * count
        self._transport.write(self._load.frame * count)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def _count_frames(self) -> int:
        buffer, start, frames = self._buffer, 0, 0
        while len(buffer) - start >= 4:
            length, head = buffer[start + 1], 2
            if length == 126:
                (length,), head = struct.unpack_from("!H", buffer, start + 2), 4
            if len(buffer) - start < head + length:
                break
            frames += buffer[start] >> 7
            start += head + length
        self._buffer = buffer[start:]
        return frames


class Load:
    """The state that all clients share: the message, and the answers with their latencies."""

    def __init__(self, options: argparse.Namespace) -> None:
        payload = json.dumps({"action": options.action, "id": "12345678", "pad": "x" * 40}).encode()
        self.frame = bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload
        self.answers = 0
        self.latencies: list[float] = []
        self.clients: list[EchoClient] = []
        self.running = False
        self.all_open = asyncio.Event()
        self._expected = options.connections

    def opened(self, client: EchoClient) -> None:
        """Record an open connection."""
        self.clients.append(client)
        if len(self.clients) == self._expected:
            self.all_open.set()

    def received(self, client: EchoClient, count: int, sent_at: list[float]) -> None:
        """Count answers, and send more messages during the measurement."""
        self.answers += count
        if sent_at:  # this run measures no pushes
            now = time.perf_counter()
            self.latencies += [now - sent for sent in sent_at[:count]]
            del sent_at[:count]
            if self.running:
                client.send(count)


class PushClient(asyncio.Protocol):
    """A client that posts pipelined requests to `@connections` over one connection."""

    def __init__(self, requests: list[bytes], load: Load, window: int) -> None:
        self._requests = requests
        self._load = load
        self._window = window
        self._next = 0
        self.answers = 0
        self.failures = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Count responses, which have no body, and post as many requests."""
        answered = data.count(b"\r\n\r\n")
        self.answers += answered
        self.failures += answered - data.count(b"HTTP/1.1 200")
        if self._load.running:
            self.post(answered)

    def post(self, count: int) -> None:
        """Post messages in one write, to the connections in turn."""
        chosen = [self._requests[(self._next + index) % len(self._requests)] for index in range(count)]
        self._next += count
        self._transport.write(b"".join(chosen))

    def start(self) -> None:
        """Fill the window."""
        self.post(self._window)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()


async def drive(options: argparse.Namespace, port: int, pipe: Connection, pid: int) -> dict[str, object]:
    load = Load(options)
    loop = asyncio.get_running_loop()
    before = _measure(pipe, pid)
    for start in range(0, options.connections, 200):
        batch = min(200, options.connections - start)
        await asyncio.gather(
            *(loop.create_connection(lambda: EchoClient(load), "127.0.0.1", port) for _ in range(batch))
        )
    async with asyncio.timeout(60):
        await load.all_open.wait()
    if options.work == "idle":
        await asyncio.sleep(options.seconds)
        after = _measure(pipe, pid)
        return {"work": "idle", "connections": len(after[0]), "bytes_each": (after[2] - before[2]) // len(after[0])}
    pushers = await _pushers(options, port, load, _measure(pipe, pid)[0]) if options.work == "push" else []
    return await _run(options, load, pushers, pipe, pid)


async def _pushers(options: argparse.Namespace, port: int, load: Load, ids: list[str]) -> list[PushClient]:
    body = b"x" * options.answer_bytes
    requests = [
        f"POST /v1/%40connections/{each.replace('=', '%3D')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"X-Amz-Date: 20260101T000000Z\r\nX-Amz-Content-Sha256: {'0' * 64}\r\nAuthorization: {SIGNATURE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for each in ids
    ]
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: PushClient(requests, load, options.in_flight), "127.0.0.1", port))[1]
        for _ in range(options.pushers)
    ]


async def _run(
    options: argparse.Namespace, load: Load, pushers: list[PushClient], pipe: Connection, pid: int
) -> dict[str, object]:
    load.running = True
    for pusher in pushers:
        pusher.start()
    if not pushers:
        for client in load.clients:
            client.send(options.in_flight)
    await asyncio.sleep(options.warm_up_seconds)
    load.latencies.clear()
    answers, started, own_cpu, gateway_cpu = load.answers, time.perf_counter(), _cpu_seconds(), _measure(pipe, pid)[1]
    await asyncio.sleep(options.seconds)
    answers, elapsed = load.answers - answers, time.perf_counter() - started
    own_cpu, gateway_cpu = _cpu_seconds() - own_cpu, _measure(pipe, pid)[1] - gateway_cpu
    load.running = False
    for client in load.clients:
        client.close()
    for pusher in pushers:
        pusher.close()
    return {
        "work": options.work,
        "connections": options.connections,
        "in_flight": options.in_flight,
        "messages_per_second": round(answers / elapsed),
        "gateway_cpu_us_per_message": round(gateway_cpu / answers * 1e6, 1),
        "client_cpu_us_per_message": round(own_cpu / answers * 1e6, 1),
        "failures": sum(pusher.failures for pusher in pushers),
        **_percentiles(load.latencies),
    }


def _percentiles(latencies: list[float]) -> dict[str, float]:
    latencies.sort()
    return {
        f"p{percent}_ms": round(latencies[len(latencies) * percent // 100] * 1000, 2)
        for percent in (50, 99)
        if latencies
    }


def _measure(pipe: Connection, pid: int) -> tuple[list[str], float, int]:
    """Get the connection ids, the CPU seconds and the resident bytes of the gateway's process."""
    os.kill(pid, signal.SIGUSR1)
    if not pipe.poll(10):
        raise TimeoutError("the gateway's process does not answer")
    measured: tuple[list[str], float, int] = pipe.recv()
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=("echo", "push", "idle"), default="echo")
    parser.add_argument("--action", choices=("echo", "ping"), default="echo", help="a function's answer, or MOCK")
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--pushers", type=int, default=4, help="HTTP connections that post")
    parser.add_argument("--in-flight", type=int, default=1, help="messages under way on each connection")
    parser.add_argument("--answer-bytes", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up-seconds", type=float, default=0.5)
    parser.add_argument("--profile", help="where to leave cProfile statistics of the gateway")
    options = parser.parse_args()
    if not 0 < options.seconds <= 60:
        parser.error("--seconds is from 0 to 60")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    gateway = context.Process(target=serve, args=(options, theirs))
    gateway.start()
    try:
        if not ours.poll(10):
            raise TimeoutError("the gateway did not start")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(drive(options, ours.recv(), ours, cast(int, gateway.pid)))
    finally:
        gateway.terminate()
        gateway.join(5)
        if gateway.is_alive():
            gateway.kill()
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
