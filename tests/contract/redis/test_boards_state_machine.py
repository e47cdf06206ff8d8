"""Boards at any moment: no result of a key has an older score of a member than the one before it.

A state machine over the real scripts. Rows of the source change; the records of the changes arrive late, in any order
and more than once. Workers of two keys read the board, stop before and after each call of Redis, and die. Redis forgets
each part of the board, does not answer, or loses a reply. The workers' clocks agree, and may differ from that of Redis.
`make fuzz` runs it for longer.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from compute.leaderboard import BoardReader
from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.leaderboards import RedisLeaderboards
from push.computes import Tenant
from push.errors import CacheUnavailableError
from push.settings import CacheSettings
from push.sources.boards import BoardView, ChangedMembers, RefreshedMembers, Top, View
from tests.operations import CountedMachine
from tests.servers.valkey import valkey

pytestmark = pytest.mark.slow

ACME = Tenant("acme")
MEMBERS = ("ada", "bob", "cyd")
KEYS = ("one", "two")
ALL = Top(1000)
PARTS = ("", ":state", ":rebuild")

FAR = 50
"""More stops than a worker makes that nothing hinders."""

STEPS = st.sampled_from((1, 2, 3, 4, FAR, FAR))

_Answer = TypeVar("_Answer")


class Table:
    """The source: every score that each member ever had, None while it had no row; scores do not recur."""

    def __init__(self) -> None:
        self.history: dict[str, list[float | None]] = {member: [0.0] for member in MEMBERS}

    def read_all(self, _tenant: Tenant, _board: str) -> dict[str, float]:
        return self.read_some(_tenant, _board, MEMBERS)

    def read_some(self, _tenant: Tenant, _board: str, members: Collection[str]) -> dict[str, float]:
        now = {member: self.history[member][-1] for member in members}
        return {member: score for member, score in now.items() if score is not None}

    def moment(self, member: str, score: float | None, since: int) -> int:
        """Return the first moment from `since` on at which the member had the score."""
        moments = [index for index, had in enumerate(self.history[member]) if had == score and index >= since]
        assert moments, f"{member} had {score} only before {self.history[member][since]}: {self.history[member]}"
        return moments[0]


class Network:
    """What stands between all workers and Redis: the next so many calls, and the replies of more calls, are lost."""

    calls_to_lose = 0
    replies_to_lose = 0

    def is_away(self) -> bool:
        self.calls_to_lose -= 1
        return self.calls_to_lose >= 0


class SteppedBoards:
    """`BoardCache` of one worker, which stops before and after each call until it is told to go on."""

    def __init__(self, boards: RedisLeaderboards, network: Network) -> None:
        self._boards = boards
        self._network = network
        self.stopped = asyncio.Event()
        self.may_go = asyncio.Event()

    async def _stop(self) -> None:
        self.stopped.set()
        await self.may_go.wait()
        self.may_go.clear()

    async def _call(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        await self._stop()
        if self._network.is_away():
            raise CacheUnavailableError("Redis is away.")
        answer = await call()
        self._network.replies_to_lose -= 1
        if self._network.replies_to_lose >= 0:
            raise CacheUnavailableError("The reply is lost.")
        await self._stop()
        return answer

    async def read(
        self, tenant: Tenant, board: str, view: View, lowest_version: int, refreshed: RefreshedMembers | None = None
    ) -> BoardView | ChangedMembers | None:
        return await self._call(lambda: self._boards.read(tenant, board, view, lowest_version, refreshed))

    async def begin_rebuild(self, tenant: Tenant, board: str, lowest_version: int) -> str | None:
        return await self._call(lambda: self._boards.begin_rebuild(tenant, board, lowest_version))

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> int | None:
        return await self._call(lambda: self._boards.end_rebuild(tenant, board, token, scores))

    async def mark_changed(self, tenant: Tenant, board: str, members: Collection[str]) -> None:
        raise AssertionError("a reader marks nothing")


class Worker:
    """A worker that computes a key: it claimed the key's lease, and saw the version of the stored result."""

    def __init__(self, boards: SteppedBoards, reading: asyncio.Task[BoardView], announced: dict[str, int]) -> None:
        self.boards = boards
        self.reading = reading
        self.announced = announced
        """For each member the latest moment that had been announced when the compute began."""

    async def step(self) -> None:
        self.boards.stopped.clear()
        self.boards.may_go.set()
        stopped = asyncio.create_task(self.boards.stopped.wait())
        await asyncio.wait((stopped, self.reading), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


class Boards(CountedMachine):
    """One board, the source of its scores, and two keys whose results are views of the whole board."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = self.run(self.connect())
        self.boards = RedisLeaderboards(self.redis)
        self.board = uuid.uuid4().hex
        self.network = Network()
        self.table = Table()
        self.scores = itertools.count(1)
        self.clock_ms = 0
        self.records: list[tuple[str, int]] = []
        self.announced = dict.fromkeys(MEMBERS, 0)
        self.workers: dict[str, Worker] = {}
        """Those that hold the lease of a key."""
        self.strayed: list[Worker] = []
        """Those that lost it, and go on."""
        self.stored_versions = dict.fromkeys(KEYS, 0)
        self.seen = {key: dict.fromkeys(MEMBERS, 0) for key in KEYS}

    def run(self, coroutine: Coroutine[Any, Any, _Answer]) -> _Answer:
        return self.runner.run(coroutine)

    async def connect(self) -> AsyncRedis:
        return AsyncRedis(CacheSettings(cache_url=self.url, cache_timeout_ms=5000, cache_connect_timeout_ms=5000))

    @rule(member=st.sampled_from(MEMBERS), is_removed=st.sampled_from((False, False, True)), is_delivered=st.booleans())
    def change(self, member: str, *, is_removed: bool, is_delivered: bool) -> None:
        history = self.table.history[member]
        if is_removed and history[-1] is None:
            return
        history.append(None if is_removed else float(next(self.scores)))
        self.records.append((member, len(history) - 1))
        if is_delivered:
            self.deliver(self.records[-1:])

    @precondition(lambda self: self.records)
    @rule(data=st.data(), count=st.integers(1, 3))
    def deliver_records(self, data: st.DataObject, count: int) -> None:
        """A record may have been delivered before, and an older one may come after it."""
        first = data.draw(st.integers(0, len(self.records) - 1))
        self.deliver(self.records[first : first + count])

    def deliver(self, records: list[tuple[str, int]]) -> None:
        if self.network.is_away():
            return
        self.run(self.boards.mark_changed(ACME, self.board, [member for member, _ in records]))
        for member, moment in records:
            self.announced[member] = max(self.announced[member], moment)

    @initialize(clock_ms=st.sampled_from((-9000, 0, 9000)))
    def set_clocks(self, clock_ms: int) -> None:
        self.clock_ms = clock_ms

    @rule(key=st.sampled_from(KEYS), steps=STEPS)
    def compute(self, key: str, steps: int) -> None:
        """Begin to compute a key; a worker that has it already has lost its lease."""
        if key in self.workers:
            self.strayed.append(self.workers.pop(key))
        self.workers[key] = self.run(self.begin(self.stored_versions[key]))
        self.step(key, steps)

    @rule(
        key=st.sampled_from(KEYS),
        member=st.sampled_from(MEMBERS),
        steps=st.integers(1, 6),
        is_delivered=st.booleans(),
        is_overtaken=st.booleans(),
    )
    def change_during_a_compute(
        self, key: str, member: str, steps: int, *, is_delivered: bool, is_overtaken: bool
    ) -> None:
        """The worker of the other key may do all of its work meanwhile, and looks again afterwards."""
        (other,) = set(KEYS) - {key}
        self.compute(key, steps)
        self.change(member, is_removed=False, is_delivered=is_delivered)
        if is_overtaken:
            self.compute(other, FAR)
        if key in self.workers:
            self.step(key, FAR)
        self.compute(other, FAR)

    async def begin(self, stored_version: int) -> Worker:
        boards = SteppedBoards(self.boards, self.network)
        reader = BoardReader(self.table, boards, lambda: time.time_ns() // 1_000_000 + self.clock_ms)
        reading = asyncio.create_task(reader.read(ACME, self.board, ALL, stored_version))
        await boards.stopped.wait()
        return Worker(boards, reading, dict(self.announced))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), steps=STEPS)
    def step_worker(self, data: st.DataObject, steps: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.workers)))
        self.step(key, steps)

    def step(self, key: str, steps: int) -> None:
        worker = self.workers[key]
        for _ in range(steps):
            self.run(worker.step())
            if worker.reading.done():
                self.fill(key, self.workers.pop(key))
                return

    @precondition(lambda self: self.strayed)
    @rule(data=st.data(), steps=STEPS, is_dead=st.sampled_from((False, False, False, True)))
    def step_strayed_worker(self, data: st.DataObject, steps: int, *, is_dead: bool) -> None:
        index = data.draw(st.integers(0, len(self.strayed) - 1))
        worker = self.strayed.pop(index)
        for _ in range(0 if is_dead else steps):
            self.run(worker.step())
            if worker.reading.done():
                self.check_announced(worker)
                return
        if not is_dead:
            self.strayed.append(worker)

    def check_announced(self, worker: Worker) -> dict[str, float]:
        scores = {entry.member: entry.score for entry in worker.reading.result().entries}
        for member, moment in worker.announced.items():
            self.table.moment(member, scores.get(member), moment)
        return scores

    def fill(self, key: str, worker: Worker) -> None:
        scores = self.check_announced(worker)
        version = worker.reading.result().version
        assert version >= self.stored_versions[key], "the fill would be refused"
        self.stored_versions[key] = version
        for member, since in self.seen[key].items():
            self.seen[key][member] = self.table.moment(member, scores.get(member), since)

    @rule(trouble=st.sampled_from(("away", "lost reply", "flush", *PARTS)), calls=st.integers(1, 4))
    def have_trouble(self, trouble: str, calls: int) -> None:
        """A time runs out, Redis evicts or restarts, or the network fails."""
        match trouble:
            case "away":
                self.network.calls_to_lose = calls
            case "lost reply":
                self.network.replies_to_lose = 1
            case "flush":
                self.flush()
            case _:
                self.forget({trouble})

    def flush(self) -> None:
        """Redis loses everything: results with their versions, leases, boards."""
        self.forget(set(PARTS))
        self.stored_versions = dict.fromkeys(KEYS, 0)
        self.strayed += self.workers.values()
        self.workers.clear()

    def forget(self, parts: set[str]) -> None:
        for part in parts:
            self.run(self.redis.run("DEL", f"{{acme/{self.board}}}:board{part}"))

    def teardown(self) -> None:
        """In the end every key has what the table has."""
        try:
            self.network.calls_to_lose = self.network.replies_to_lose = 0
            self.deliver(self.records)
            self.forget({":rebuild"})
            for key in KEYS:
                self.compute(key, FAR)
                assert key not in self.workers
                assert [history[-1] for history in self.table.history.values()] == [
                    self.table.history[member][moment] for member, moment in self.seen[key].items()
                ]
        finally:
            self.run(self.redis.close())
            self.runner.close()


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with valkey() as Boards.url:
        yield


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("push.adapters.redis.leaderboards.MAX_CHANGED", 2)
    monkeypatch.setattr("compute.leaderboard._POLL_SECONDS", 0.0)
    # Else a worker that stands still gives up waiting after a time that the machine's load decides.
    monkeypatch.setattr("compute.leaderboard._WAIT_SECONDS", 3600.0)


TestBoards = Boards.TestCase
TestBoards.settings = settings(settings(), stateful_step_count=60, deadline=None)
