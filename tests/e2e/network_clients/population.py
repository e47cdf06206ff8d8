"""Clients of either kind behind one network: they ask, publish and listen as told, and report what came of it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

import pushaside
from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PACKAGES = ROOT / "tests" / "node" / "package.json"
OLDEST_NODE = 20
LONGEST_LINE = 64 * 1024 * 1024

Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who the clients are, and what they ask; `subscribers` of them listen to the channel and to the live result.

    There are `listeners` more who do nothing but that.
    """

    name: str
    url: str
    count: int
    subscribers: int
    listeners: int
    channel: str
    inbox: str
    live: dict[str, Any]
    deadline: float


@dataclass(slots=True)
class Report:
    """What one client has been answered and told, in the order in which it came."""

    answers: list[tuple[str, Any]] = field(default_factory=list)
    """The seed that was asked for, and the data."""
    published: list[tuple[str, str]] = field(default_factory=list)
    """What was published, and its position."""
    failures: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    resyncs: int = 0
    """How often a number came with the word that those before it are lost."""
    silence: float = 0.0
    """The longest time between two numbers, in seconds."""
    scores: list[int] = field(default_factory=list)


class Population(Protocol):
    """Clients that do what they are told, all at once."""

    async def ask(self, round_: int, questions: list[list[Params]]) -> None:
        """Have each client but listeners ask its questions and publish to the inbox; nothing is waited for."""

    async def begun(self, seed: str) -> None:
        """Wait until each client but listeners has been answered what it asked for by this seed."""

    async def unanswered(self) -> int:
        """Count what is asked and has no answer."""

    async def settled(self) -> None:
        """Wait until everything that was asked is answered, or has failed."""

    async def report(self, number: int, score: int, seconds: float) -> list[Report]:
        """Wait so long at most for the last number and score to come to all who listen; tell what has come.

        The listeners' reports are the last.
        """


class _Caller:
    """One client of the Python library."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self._name = f"{plan.name}/{number}"
        self._is_subscriber = number < plan.subscribers or number >= plan.count
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()
        self._heard_at = math.inf
        self.unanswered = 0
        self.report = Report()

    async def open(self, stack: AsyncExitStack) -> None:
        self._client = await stack.enter_async_context(pushaside.connect(self._plan.url))
        if self._is_subscriber:
            numbers = self._client.subscribe(self._plan.channel)
            scores = self._client.subscribe(compute=self._plan.live["compute"], params=self._plan.live["params"])
            async with asyncio.TaskGroup() as group:
                for each in (numbers, scores):
                    group.create_task(stack.enter_async_context(each))
            self._follow(numbers, self._take_number)
            self._follow(scores, self._take_scores)
            stack.push_async_callback(self._stop_listening)

    def _follow(self, subscription: pushaside.Subscription, take: Callable[[pushaside.Update], None]) -> None:
        async def listen() -> None:
            try:
                async for update in subscription:
                    take(update)
                    self._told.set()
            except pushaside.PushasideError as exc:
                self.report.failures.append(repr(exc))

        self._listening.append(asyncio.create_task(listen()))

    def _take_number(self, update: pushaside.Update) -> None:
        self.report.numbers.append(update.data)
        self.report.resyncs += update.is_resync
        now = time.monotonic()
        self.report.silence = max(self.report.silence, now - self._heard_at)
        self._heard_at = now

    def _take_scores(self, update: pushaside.Update) -> None:
        self.report.scores.extend(row["score"] for row in update.data)

    async def _stop_listening(self) -> None:
        for task in self._listening:
            task.cancel()
        await asyncio.wait(self._listening)

    def ask(self, round_: int, questions: list[Params]) -> None:
        for params in questions:
            self._start(self._request(params))
        self._start(self._publish(f"{self._name}/{round_}"))

    async def _request(self, params: Params) -> None:
        result = await self._client.request("synthetic", params, deadline=self._plan.deadline)
        self.report.answers.append((params["seed"], result.data))

    async def _publish(self, data: str) -> None:
        position = await self._client.publish(self._plan.inbox, data, deadline=self._plan.deadline)
        self.report.published.append((data, position))

    def _start(self, asking: Awaitable[None]) -> None:
        async def settle() -> None:
            try:
                await asking
            except pushaside.PushasideError as exc:
                self.report.failures.append(repr(exc))
            self.unanswered -= 1
            self._told.set()

        self.unanswered += 1
        task = asyncio.create_task(settle())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def begun(self, seed: str) -> None:
        await self._until(lambda: any(answered == seed for answered, _ in self.report.answers))

    async def settled(self) -> None:
        await self._until(lambda: not self.unanswered)

    async def heard(self, number: int, score: int) -> None:
        def has_heard() -> bool:
            return self.report.numbers[-1:] == [number] and self.report.scores[-1:] == [score]

        await self._until(lambda: not self._is_subscriber or has_heard())

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._told.clear()
            await self._told.wait()


class _PythonClients:
    def __init__(self, callers: list[_Caller], asking: int) -> None:
        self._callers = callers
        self._asking = callers[:asking]

    async def ask(self, round_: int, questions: list[list[Params]]) -> None:
        for caller, its in zip(self._asking, questions, strict=True):
            caller.ask(round_, its)

    async def begun(self, seed: str) -> None:
        await _all(caller.begun(seed) for caller in self._asking)

    async def unanswered(self) -> int:
        return sum(caller.unanswered for caller in self._callers)

    async def settled(self) -> None:
        await _all(caller.settled() for caller in self._callers)

    async def report(self, number: int, score: int, seconds: float) -> list[Report]:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _all(caller.heard(number, score) for caller in self._callers)
        return [caller.report for caller in self._callers]


class _NodeClients:
    """Clients of the browser's module in one process of Node; a line of JSON each way for each command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, round_: int, questions: list[list[Params]]) -> None:
        await self.command("ask", round=round_, questions=questions)

    async def begun(self, seed: str) -> None:
        await self.command("begun", seed=seed)

    async def unanswered(self) -> int:
        return int(await self.command("unanswered"))

    async def settled(self) -> None:
        await self.command("settled")

    async def report(self, number: int, score: int, seconds: float) -> list[Report]:
        told = await self.command("report", number=number, score=score, seconds=seconds)
        reports = [Report(**each) for each in told]
        for each in reports:
            each.answers = [(seed, data) for seed, data in each.answers]
            each.published = [(data, position) for data, position in each.published]
        return reports

    async def command(self, command: str, **fields: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **fields}).encode() + b"\n")
        answer = await self._process.stdout.readline()
        assert answer, "Node has ended; what it said is on standard error"
        return json.loads(answer)


@asynccontextmanager
async def python_clients(plan: Plan) -> AsyncIterator[Population]:
    """Have the clients in this process."""
    callers = [_Caller(plan, number) for number in range(plan.count + plan.listeners)]
    async with AsyncExitStack() as stack:
        await _all(caller.open(stack) for caller in callers)
        yield _PythonClients(callers, plan.count)


@asynccontextmanager
async def node_clients(plan: Plan) -> AsyncIterator[Population]:
    """Have the clients in a process of Node, on the sockets of the package `ws`."""
    module = (ROOT / "clients" / "browser" / "pushaside.js").as_uri()
    settings = json.dumps({**asdict(plan), "module": module, "packages": str(PACKAGES)})
    process = await asyncio.create_subprocess_exec(
        find_node(),
        str(HERE / "clients.mjs"),
        settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    try:
        clients = _NodeClients(process)
        await clients.command("open")
        yield clients
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def find_node() -> str:
    """Return Node's path; where there is none, or no `ws`, the test is skipped, but fails in CI."""
    node = shutil.which("node")
    if node is None:
        return _do_without("node is not installed")
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    ).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        return _do_without(f"node {version} is older than {OLDEST_NODE}")
    if not (PACKAGES.parent / "node_modules" / "ws").exists():
        return _do_without("the package ws is not installed: npm ci --ignore-scripts in tests/node")
    return node


def _do_without(reason: str) -> str:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


async def _all(doing: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*doing)
