"""Requests for one key over many sockets of a running stack, with a record of every answer."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

_STATS_SECONDS = 0.5
"""Functions print their counts at most ten times a second."""


@dataclass(slots=True)
class Answers:
    """The answers: final ones by cache state, requests that had to wait, and times in seconds."""

    by_state: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    repeated: int = 0
    latencies: list[float] = field(default_factory=list)
    etags: set[str] = field(default_factory=set)

    @property
    def results(self) -> int:
        return self.by_state.total()

    def note(self, frame: Mapping[str, Any], sent_at: dict[str, float]) -> None:
        """Count a frame. A final answer removes its request from those that were sent.

        Raises:
            RuntimeError: If the frame is the gateway's own error, which names no request.
        """
        if "type" not in frame:
            raise RuntimeError(f"the gateway answered with an error of its own: {frame}")
        if frame["type"] == "accepted":
            self.accepted += 1
        elif (began := sent_at.pop(frame["id"], None)) is None:
            self.repeated += 1
        else:
            self.latencies.append(time.perf_counter() - began)
            if frame["type"] == "result":
                self.by_state[frame["cache"]] += 1
                self.etags.add(frame["etag"])
            else:
                self.errors[frame["error"]["code"]] += 1


@asynccontextmanager
async def open_sockets(url: str, count: int) -> AsyncIterator[list[ClientConnection]]:
    """Open sockets, a few at a time."""
    async with AsyncExitStack() as stack:
        sockets: list[ClientConnection] = []
        while len(sockets) < count:
            some = min(20, count - len(sockets))
            opening = [connect(url, compression=None, ping_interval=None) for _ in range(some)]
            sockets += await asyncio.gather(*map(stack.enter_async_context, opening))
        yield sockets


async def ask_at_once(sockets: list[ClientConnection], question: Mapping[str, Any], requests: int) -> Answers:
    """Send all requests as fast as the sockets accept them. Return when all are answered, or after a minute."""
    answers = Answers()
    share, rest = divmod(requests, len(sockets))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for number, socket in enumerate(sockets):
            tasks.create_task(_ask_many(socket, question, share + (number < rest), answers))
    return answers


async def _ask_many(socket: ClientConnection, question: Mapping[str, Any], count: int, answers: Answers) -> None:
    sent_at: dict[str, float] = {}
    for number in range(count):
        sent_at[str(number)] = time.perf_counter()
        await socket.send(json.dumps({**question, "id": str(number)}))
    while sent_at:
        answers.note(json.loads(await socket.recv()), sent_at)


async def ask_evenly(
    sockets: list[ClientConnection], question: Mapping[str, Any], requests: int, seconds: float
) -> Answers:
    """Spread requests evenly over some seconds. A socket sends its next request after the last answer."""
    answers = Answers()
    share = requests // len(sockets)
    began = time.perf_counter()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for number, socket in enumerate(sockets):
            first = began + number / requests * seconds
            tasks.create_task(_ask_regularly(socket, question, share, first, seconds / share, answers))
    return answers


async def _ask_regularly(
    socket: ClientConnection, question: Mapping[str, Any], count: int, first: float, pause: float, answers: Answers
) -> None:
    for number in range(count):
        await asyncio.sleep(max(0.0, first + number * pause - time.perf_counter()))
        sent_at = {str(number): time.perf_counter()}
        await socket.send(json.dumps({**question, "id": str(number)}))
        while sent_at:
            answers.note(json.loads(await socket.recv()), sent_at)


async def ask_once(socket: ClientConnection, question: Mapping[str, Any]) -> None:
    """Send a request and wait for the final answer."""
    answers = await ask_at_once([socket], question, 1)
    if not answers.results:
        raise RuntimeError(f"the answer was no result: {answers.errors}")


async def count_computes(http: str, compute: str) -> int:
    """Return how often a compute ran, once the functions have reported all runs."""
    await asyncio.sleep(_STATS_SECONDS)
    return await asyncio.to_thread(_read_computes, http, compute)


def _read_computes(http: str, compute: str) -> int:
    with urllib.request.urlopen(f"{http.rstrip('/')}/_local/stats", timeout=10) as page:
        return int(json.load(page)["computes"].get(compute, 0))
