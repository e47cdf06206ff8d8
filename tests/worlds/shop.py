"""A shop whose sources change: every function between a write and its subscribers, over models of what is outside.

The table's stream, the queue of changes and that of jobs hand out what waits when a test says so. What works on it
stops wherever it calls something outside, and goes on or dies when the test says so. Time is virtual.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from compute.watching import SETTLE_MS
from notify.hearing import Hearing
from notify.invalidation import Invalidation
from notify.live_changes import LiveChanges
from push.adapters.dynamodb.images import read_image
from push.cache.jobs import Job, Outgoing
from push.callers import Caller
from push.changes.declaring import ChangeFunctions
from push.changes.source_names import SourceNames
from push.changes.telling import Teller
from push.computes import Tenant
from push.errors import CacheUnavailableError, PushasideError, QueueUnavailableError
from push.keys import Key, make_key
from push.protocol.messages import Subscribe
from push.queues.bodies import INLINE_BODIES
from push.settings import CacheSettings
from push.sources.declared import DeclaredSources, DeclaredTable
from push.testing.applications import MemorySources
from push.topics.namespaces import parse_namespaces
from push.topics.topics import live_topic
from request.asking.live_values import LiveValues
from request.subscribing.connection_subscriptions import ConnectionSubscriptions
from tests.fakes.cache import FakeLeases
from tests.fakes.clock import Clock
from tests.fakes.invocations import FAR, DiedError, Invocation, stop_here
from tests.fakes.live_results import FakeRecentChanges
from tests.fakes.live_rows import Links, LiveRows
from tests.fakes.shards import Shard
from tests.fakes.topics import FakeLagging, SyncFakeHistory
from tests.fakes.virtual_time import VirtualTimeLoop
from tests.worlds.functions import World, received
from tests.worlds.shop_computes import KEYS, make_change_function, make_computes
from tests.worlds.shop_sources import Message, ShopSources
from tests.worlds.topics import NAMESPACES

VISIBILITY_MS = 180_000
RETRY_MS = 1000

_Answer = TypeVar("_Answer")


class LoopClock(Clock):
    """The time of a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @property
    def now_ms(self) -> int:  # type: ignore[override]
        return 1_732_000_000_000 + round(self._loop.time() * 1000)


@dataclass(eq=False)
class Queued:
    """A job in the queue, hidden until a time (ms)."""

    job: Job
    due_ms: int
    receive_count: int = 1


class Shop(ShopSources):
    """Everything, with what waits in the hands of a test.

    Args:
        debounce_ms: how long changes of a live result are collected.

    """

    def __init__(self, debounce_ms: int = 0) -> None:
        self.loop = VirtualTimeLoop()
        self.clock = LoopClock(self.loop)
        super().__init__()
        self.random = 0.5
        self.kept: list[str] = []
        self.queue: list[Queued] = []
        self.invocations: list[Invocation] = []
        """Those that are stopped."""
        self._make_functions(debounce_ms)

    def _make_functions(self, debounce_ms: int) -> None:
        self.rows = LiveRows(self.clock)
        self.world = World(
            computes=make_computes(self),
            clock=self.clock,
            trust_ms=500,
            sources=MemorySources({"Orders": self.orders}),
            links=Links(self.rows),
        )
        world = self.world
        renew = FakeLeases(world.model).renew
        for fake in (world.leases, world.tags, world.histories):
            fake._delay = stop_here
        world.leases.renew = _unless_frozen(renew)
        world.jobs.send = self._send
        self.recent = FakeRecentChanges(world.model)
        self.invalidation = self._make_invalidation(debounce_ms)
        self.subscriptions = ConnectionSubscriptions(
            namespaces=parse_namespaces(NAMESPACES),
            registry=world.registry,
            subscriptions=self.rows,
            histories=SyncFakeHistory(world.topics),
            lagging=FakeLagging(world.topics),
            fan_out=world.fan_out,
            live=LiveValues(
                engine=world.new_engine(),
                registry=world.registry,
                store=world.results,
                subscriptions=self.rows,
                now_ms=self.clock,
            ),
            now_ms=self.clock,
        )

    def _make_invalidation(self, debounce_ms: int) -> Invalidation:
        indexes = {name: tuple(keys) for name, keys in KEYS["indexes"].items()}
        declared = DeclaredSources(tables={"Orders": DeclaredTable("Orders", indexes)})
        functions = ChangeFunctions((make_change_function(self),))
        live = LiveChanges(
            live=self.rows,
            subscribers=self.rows,
            marks=self.world.marks,
            recent=self.recent,
            jobs=self.world.jobs,
            debounce_ms=debounce_ms,
            now_ms=self.clock,
            new_token=self.world.tokens,
            random=lambda: self.random,
        )
        return Invalidation(
            hearing=Hearing(
                teller=Teller(SourceNames(declared), functions, read_image),
                bodies=INLINE_BODIES,
                counter=self.world.counter,
            ),
            tags=self.world.tags,
            live=live,
            kept=self,
            counter=self.world.counter,
            now_ms=self.clock,
            settings=CacheSettings(cache_url="redis://unused"),
        )

    def keep(self, messages: Sequence[str]) -> None:
        """See `KeptChanges.keep`."""
        self.kept += messages

    def run(self, coroutine: Coroutine[Any, Any, _Answer]) -> _Answer:
        return self.loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Have all that still runs die."""
        for invocation in self.invocations:
            self.run(invocation.kill())
        self.loop.close()

    def key_of(self, compute: str, text: str, tenant: Tenant) -> Key:
        declared = self.world.registry.find(compute)
        return make_key(tenant, declared, declared.parse_params(params_of(text)))

    # ---------------------------------------------------------------- the function of changes

    def begin_batch(self, shard: Shard, size: int, *, is_repeated: bool = False) -> Invocation:
        """Begin to tell the first records of a shard; a repeated batch comes again, whatever became of it."""

        async def work() -> None:
            batch = shard.records[:size]
            self._let_the_index_follow_later()
            try:
                failed = await self.invalidation.apply(batch)
            finally:
                shard.invocation = None
            shard.end_batch(size, next(iter(failed), None), is_repeated=is_repeated)

        shard.invocation = self._begin(work)
        return shard.invocation

    def begin_messages(self, messages: Sequence[Message], *, is_repeated: bool = False) -> Invocation:
        """Begin to tell messages of the queue of changes."""
        for each in messages:
            each.is_received = True

        async def work() -> None:
            try:
                failed = await self.invalidation.apply([each.record for each in messages])
            finally:
                for each in messages:
                    each.is_received = False
            done = [each for each in messages if each.record["messageId"] not in failed]
            self.messages = [each for each in self.messages if is_repeated or each not in done]

        return self._begin(work)

    def _let_the_index_follow_later(self) -> None:
        """An index shows a change soon after it was told, or earlier."""
        self.loop.call_later((SETTLE_MS - 1) / 1000, self.orders.follow)

    # ---------------------------------------------------------------- the function of computes

    def _send(self, jobs: Sequence[Outgoing]) -> None:
        if self.world.jobs.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.queue += [Queued(each.job, self.clock() + 1000 * each.delay_seconds) for each in jobs]

    @property
    def due(self) -> list[Queued]:
        return [each for each in self.queue if each.due_ms <= self.clock()]

    def begin_job(self, queued: Queued, *, is_received_twice: bool = False, is_frozen: bool = False) -> Invocation:
        """Begin to work on a job.

        It takes a millisecond to arrive: by the time in milliseconds, histories tell equal values of two runs apart.
        """
        self.run(asyncio.sleep(0.001))
        if not is_received_twice:
            self.queue.remove(queued)

        async def work() -> None:
            try:
                failed = await self.world.consumer.consume([received(queued.job, queued.receive_count)])
            except DiedError:
                self.queue.append(Queued(queued.job, self.clock() + VISIBILITY_MS, queued.receive_count + 1))
                raise
            if failed:
                self.queue.append(Queued(queued.job, self.clock() + RETRY_MS, queued.receive_count + 1))

        return self._begin(work, is_frozen=is_frozen)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]], *, is_frozen: bool = False) -> Invocation:
        async def begin() -> Invocation:
            return Invocation(work, is_frozen=is_frozen)

        invocation = self.run(begin())
        self.invocations.append(invocation)
        return invocation

    def step(self, invocation: Invocation, steps: int = FAR) -> None:
        """Let an invocation go on for so many stops."""
        self.run(invocation.step(steps))
        if invocation.is_over:
            self.invocations.remove(invocation)

    def kill(self, invocation: Invocation) -> None:
        self.invocations.remove(invocation)
        self.run(invocation.kill())

    # ---------------------------------------------------------------- clients

    def ask(self, compute: str, text: str, tenant: Tenant, max_age: float | None) -> None:
        """Ask, and take no answer for an answer if a service is away."""
        with contextlib.suppress(PushasideError):
            self.world.ask(
                str(next(self.numbers)),
                connection_id=f"{tenant}=",
                tenant=tenant,
                compute=compute,
                params=params_of(text),
                max_age=max_age,
            )

    def subscribe(self, compute: str, text: str, tenant: Tenant, connection_id: str) -> bytes | None:
        """Subscribe a connection, and return its first value, or the error in its place; None if there is none yet.

        Raises:
            PushasideError: a service is away.

        """
        caller = Caller(tenant, "somebody", connection_id)
        raw = msgspec.Raw(params_of(text))
        answer = self.subscriptions.subscribe(Subscribe("1", compute=compute, params=raw), caller)
        return answer.data if answer.error is None else answer.error

    def unsubscribe(self, compute: str, text: str, tenant: Tenant, connection_id: str) -> None:
        self.rows.remove(live_topic(self.key_of(compute, text, tenant)), connection_id)

    # ---------------------------------------------------------------- what goes wrong, and what ends it

    def lose_redis(self, *, is_lost: bool) -> None:
        self.world.model.is_down = self.world.topics.is_down = is_lost

    def flush(self) -> None:
        """Lose all that Redis holds; until another has its place, indexes have followed their tables."""
        self.world.model.flush()
        self.world.topics.flush()
        self.recent.flush()
        self.orders.follow()

    def come_to_rest(self) -> None:
        """Have everything told and done, and the index show it."""
        self.lose_redis(is_lost=False)
        self.world.jobs.is_down = False
        self.failing_functions = self.stock_lag = 0
        while self.invocations:
            self.step(self.invocations[0])
        self._tell_all()
        self._work_off()
        self.run(asyncio.sleep(SETTLE_MS / 1000))
        self._work_off()

    def _tell_all(self) -> None:
        for last in self.shards.values():
            while shard := last.readable:
                self.step(self.begin_batch(shard, len(shard.records)))
        while self.messages:
            self.step(self.begin_messages(list(self.messages)))

    def _work_off(self) -> None:
        for _ in range(100):
            for queued in self.due:
                self.step(self.begin_job(queued))
            if not self.queue:
                return
            next_ms = min(each.due_ms for each in self.queue)
            # Even what is due at once takes its time.
            self.run(asyncio.sleep(max(1, next_ms - self.clock()) / 1000))
        raise AssertionError(f"Jobs follow jobs without an end: {self.queue}")


def params_of(text: str) -> bytes:
    return msgspec.json.encode({"text": text})


def _unless_frozen(renew: Callable[..., Any]) -> Callable[..., Any]:
    """Return the renewal of leases, which does not happen in an environment that stands still."""

    async def renew_unless_frozen(*arguments: Any) -> Any:
        invocation = Invocation.current()
        if invocation is not None and invocation.is_frozen:
            raise CacheUnavailableError("This environment stands still.")
        return await renew(*arguments)

    return renew_unless_frozen
