"""Measure the memory of idle WebSocket connections in the local gateway, in kilobytes each.

The benchmark starts a gateway with functions in its process, and a process that opens connections and keeps them. It
measures them when opened, and after each has had a message answered, as long idle connections usually have. The
kernel's memory for sockets is not counted. The limit of open files bounds their number: one for each connection in
each process. Connections come from several loopback addresses, because an address has about 28,000 ports.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from benchmarks._measuring import print_table
from benchmarks.gateway_echo import serve
from benchmarks.peers.client import Address, Socket, open_socket

CONNECTIONS = (1000, 5000, 20_000)
SPARE_FILES = 100
"""The other open files of a process."""

PORTS_OF_AN_ADDRESS = 10_000
AT_ONCE = 100
WAIT_SECONDS = 120.0
MESSAGE = b'{"action":"echo","id":"1"}'


# The process that holds the connections


def hold(port: int, number: int, pipe: Connection) -> None:
    """Open connections, have a message answered on each, and keep them until told to end."""
    uvloop.run(_hold(port, number, pipe))


async def _hold(port: int, number: int, pipe: Connection) -> None:
    loop, sockets = asyncio.get_running_loop(), await _open(port, number)
    pipe.send(len(sockets))
    await loop.run_in_executor(None, pipe.recv)
    for start in range(0, number, AT_ONCE):
        await asyncio.gather(*map(_ask, sockets[start : start + AT_ONCE]))
    pipe.send(sum(not socket.is_lost for socket in sockets))
    await loop.run_in_executor(None, pipe.recv)


async def _open(port: int, number: int) -> list[Socket]:
    sockets: list[Socket] = []
    address = Address("127.0.0.1", port, "/v1")
    while len(sockets) < number:
        source = f"127.0.0.{2 + len(sockets) // PORTS_OF_AN_ADDRESS}"
        some = min(AT_ONCE, number - len(sockets))
        sockets += await asyncio.gather(*(open_socket(address, _ignore, source) for _ in range(some)))
    return sockets


def _ignore(_socket: Socket, _message: bytes) -> None:
    pass


async def _ask(socket: Socket) -> None:
    answered = asyncio.get_running_loop().create_future()
    socket.on_message = lambda _socket, _message: answered.set_result(None)
    socket.send(MESSAGE)
    await answered


# The process that measures


class Gateway:
    """The gateway's process."""

    def __init__(self, context: Any) -> None:  # noqa: ANN401 - what `get_context` returns
        self._pipe, end = context.Pipe()
        settings = argparse.Namespace(answer_bytes=300, profile=None)
        self._process = context.Process(target=serve, args=(settings, end), daemon=True)
        self._process.start()
        self.port = cast(int, receive(self._pipe))

    def measure(self) -> tuple[int, int]:
        """Return the number of connections, and the resident bytes of the process."""
        os.kill(self._process.pid, signal.SIGUSR1)
        ids, _, resident_bytes = cast(tuple[list[str], float, int], receive(self._pipe))
        return len(ids), resident_bytes

    def stop(self) -> None:
        """End the process."""
        end(self._process)


def receive(pipe: Connection) -> object:
    if not pipe.poll(WAIT_SECONDS):
        raise TimeoutError("a process did not answer")
    return pipe.recv()


def end(process: Any) -> None:  # noqa: ANN401 - a context's process
    process.terminate()
    process.join(10)
    if process.is_alive():
        process.kill()


def measure(number: int) -> tuple[float, float, float]:
    """Return the kilobytes of a new connection and after a message, and the gateway's megabytes with all of them."""
    context = multiprocessing.get_context("fork")
    gateway = Gateway(context)
    pipe, other_end = context.Pipe()
    holder = context.Process(target=hold, args=(gateway.port, number, other_end), daemon=True)
    try:
        _, before = gateway.measure()
        holder.start()
        receive(pipe)
        opened = check(gateway.measure(), number)
        pipe.send(None)
        receive(pipe)
        used = check(gateway.measure(), number)
        pipe.send(None)
    finally:
        end(holder)
        gateway.stop()
    return (opened - before) / number / 1024, (used - before) / number / 1024, used / 1024**2


def check(measured: tuple[int, int], number: int) -> int:
    connections, resident_bytes = measured
    if connections != number:
        raise SystemExit(f"There are {connections} connections and not {number}, so the figures mean nothing.")
    return resident_bytes


def raise_open_files() -> int:
    """Raise the limit of open files as far as possible, and return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    wanted: Sequence[int] = parser.parse_args().connections
    most = raise_open_files() - SPARE_FILES
    if max(wanted) > most:
        print(f"The limit of open files lets a process have {most:,} connections.\n")
    rows = []
    for number in sorted({min(each, most) for each in wanted}):
        opened, used, megabytes = measure(number)
        rows.append((f"{number:,}", f"{opened:.1f}", f"{used:.1f}", f"{megabytes:,.0f}"))
    print_table(("idle connections", "kB each", "kB each after a message", "gateway, MB"), rows)


if __name__ == "__main__":
    main()
