"""The whole service but for its adapters, on a model of everything outside, in virtual time: what may go wrong, can."""

from __future__ import annotations

import asyncio
import contextvars
import json
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from compute.computing import Computing
from compute.consumer import Consumer, Message
from compute.subscriber_updates import SubscriberUpdates
from compute.wiring import make_worker
from notify.dead_letters import DeadLetters
from notify.deliveries_app import DeliveriesParts, handle
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.cache.jobs import Outgoing, serialize_job
from push.cache.memory import MemoryCache
from push.cache.ports import Claimed, Filled, FillOutcome
from push.callers import Caller
from push.computes import AnyCompute, Registry, compute
from push.delivery.deliveries import Delivery, serialize_delivery
from push.delivery.delivering import Deliverer
from push.delivery.ports import PostOutcome
from push.delivery.waiter_answers import WaiterAnswers
from push.delivery.waiter_frames import WaiterFrames
from push.errors import ComputeFailedError, SourceThrottledError, TransientError
from push.protocol.messages import Request
from push.queues.redelivery import Redelivery
from push.results import Result
from push.sources.contexts import Context
from request.asking.client_requests import ClientRequests
from request.asking.engine import Engine
from tests.fakes.cache import CacheModel, Entry, FakeLeases, FakeResults, FakeTags
from tests.fakes.clock import Tokens
from tests.fakes.delivery import FakeConnectionEncodings, FakePayloads, FakeRecorder, FakeRecords
from tests.fakes.live_results import FakeFanOutJobSender, FakeLinkMarks, FakeLiveHistories, FakeLiveLinks
from tests.fakes.queues import FakeCounter
from tests.fakes.simulated_queue import VISIBILITY_SECONDS, Queued, SimulatedQueue, now
from tests.fakes.topics import TopicModel
from tests.worlds.functions import SETTINGS, reply_with

START_MS = 1_732_000_000_000
LATE_SECONDS = 6.0
"""An undisturbed answer is at most this late: the backoff between two attempts, when nobody watches deadlines."""

CLAIM_SECONDS = 0.5
"""A compute begins at most so long after the claim of its key."""

TAKEOVER_SECONDS = 12.0
"""What a worker's death costs at most: the guardian may just have looked, and look again a lease's term later."""


class WorkerDiedError(BaseException):
    """Ends everything that a dead worker still does; no code may catch it."""


@dataclass(eq=False)
class Worker:
    """One invocation of a function, which may die between any two steps."""

    rng: random.Random
    is_dead: bool = False
    task: asyncio.Task[None] | None = None

    async def step(self) -> None:
        self.check()
        await asyncio.sleep(self.rng.random() * 0.02)
        self.check()

    def check(self) -> None:
        if self.is_dead:
            raise WorkerDiedError

    def kill(self) -> None:
        self.is_dead = True
        assert self.task is not None
        self.task.cancel()


_current_worker: contextvars.ContextVar[Worker] = contextvars.ContextVar("worker")


class LifecycleParams(msgspec.Struct, frozen=True):
    """Which key, how long its compute takes, and how the attempts before the last fail."""

    key: int
    seconds: float = 0.0
    failures: tuple[str, ...] = ()


@dataclass(eq=False)
class Asked:
    """What a client knows of a request of its own."""

    request: Request
    caller: Caller
    asked_at: float
    answered_at: float | None = None
    may_be_forgotten: bool = False
    grace_seconds: float = LATE_SECONDS


@dataclass(eq=False)
class Running:
    """A compute under way."""

    name: str
    worker: Worker
    began_at: float


@dataclass
class Lifecycle:
    """Everything; `faults` is what should not have happened."""

    rng: random.Random
    workers: list[Worker] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    asked: dict[tuple[str, str], Asked] = field(default_factory=dict)
    refusing_until: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    computes: int = 0
    lost_at: float = -math.inf
    killed_at: float = -math.inf
    queues_lost_at: float = -math.inf

    def __post_init__(self) -> None:
        self.model = CacheModel(self.now_ms)
        self.topics = TopicModel(self.now_ms)
        self.dead_letters = SimulatedQueue(self.rng)
        self.jobs = SimulatedQueue(self.rng, self.dead_letters)
        self.deliveries = SimulatedQueue(self.rng)
        self.registry = Registry([self._declare()])
        self.tokens = Tokens()
        self.counter = FakeCounter()
        self.environments = [reply_with(self._make_client_requests(), self.now_ms) for _ in range(2)]
        self.pumps = [
            asyncio.ensure_future(self.jobs.deliver_to(self._work_on_jobs)),
            asyncio.ensure_future(self.deliveries.deliver_to(lambda batch: self._notify(batch, self.deliveries))),
            asyncio.ensure_future(self.dead_letters.deliver_to(lambda batch: self._notify(batch, self.dead_letters))),
        ]

    def now_ms(self) -> int:
        return START_MS + int(now() * 1000)

    async def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
        tasks = [*self.pumps, *(worker.task for worker in self.workers if worker.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------ what clients do and see

    def ask(self, asked: Asked) -> None:
        replies = self.rng.choice(self.environments)
        try:
            frame = json.loads(replies.reply(asked.request, asked.caller))
        except TransientError:
            # It was not accepted: the client has its error.
            asked.answered_at = now()
            return
        if asked.asked_at - self.killed_at < TAKEOVER_SECONDS:
            # It may have parked behind somebody who is dead.
            asked.grace_seconds += TAKEOVER_SECONDS
        if asked.asked_at - self.queues_lost_at < VISIBILITY_SECONDS:
            # The guardians that came meanwhile could not be had back soon: a worker who dies now is missed late.
            asked.grace_seconds += VISIBILITY_SECONDS
        if self.model.is_down:
            # Without Redis nobody can be told that his deadline has passed before there is a result.
            asked.grace_seconds = math.inf
        if frame["type"] != "accepted":
            self.take_frame(asked.caller.connection_id, frame)

    def take_frame(self, connection_id: str, frame: dict) -> None:
        asked = self.asked.get((connection_id, frame["id"]))
        if asked is None:
            self.faults.append(f"{connection_id} never asked for {frame}")
            return
        if frame["type"] == "result":
            self._check_result(asked, frame["data"])
        if asked.answered_at is not None:
            return
        asked.answered_at = now()
        late_seconds = now() - asked.asked_at - asked.request.deadline_ms / 1000
        if late_seconds > asked.grace_seconds:
            self.faults.append(f"{asked.request} of {asked.caller} was answered {late_seconds:.1f} s late")

    def _check_result(self, asked: Asked, data: dict) -> None:
        params = json.loads(bytes(asked.request.params))
        if (data["tenant"], data["key"]) != (asked.caller.tenant, params["key"]):
            self.faults.append(f"{asked} was answered with {data}")
        if asked.request.max_age == 0 and data["began_ms"] < START_MS + int(asked.asked_at * 1000):
            self.faults.append(f"{asked} was answered with {data}, which is too old")

    @property
    def unanswered(self) -> list[Asked]:
        return [each for each in self.asked.values() if each.answered_at is None]

    # ------------------------------------------------------------ what goes wrong

    def disturb(self, grace_seconds: float = math.inf) -> None:
        """Note that answers may be later, by so much."""
        for each in self.unanswered:
            each.grace_seconds += grace_seconds

    def flush(self) -> None:
        """Have Redis forget everything, and with it who waits and who works."""
        self.disturb()
        self.model.flush()
        self.lost_at = now()
        for each in self.unanswered:
            each.may_be_forgotten = True

    def lose_redis(self, *, is_lost: bool) -> None:
        """Have Redis answer nobody, or again; leases may end meanwhile, for they can't be renewed."""
        self.disturb()
        self.model.is_down = is_lost
        self.lost_at = now()

    def lose_queues(self, *, are_lost: bool) -> None:
        """Have SQS take no messages, or again."""
        self.disturb()
        self.jobs.is_down = self.deliveries.is_down = are_lost
        self.queues_lost_at = now()

    def kill(self, workers: Sequence[Worker]) -> None:
        """Have workers die, and all that runs in them with them."""
        if workers:
            self.disturb(TAKEOVER_SECONDS)
            self.killed_at = now()
        for worker in workers:
            worker.kill()

    def refuse(self, connection_id: str, seconds: float) -> None:
        """Have a connection take nothing for a while."""
        self.refusing_until[connection_id] = now() + seconds

    # ------------------------------------------------------------ the functions

    def _declare(self) -> AnyCompute:
        @compute(name="lifecycle", ttl=5.0, stale_ttl=10.0)
        async def lifecycle(params: LifecycleParams, context: Context) -> object:
            return await self._compute(params, context)

        return lifecycle

    async def _compute(self, params: LifecycleParams, context: Context) -> object:
        run = Running(f"{context.tenant}/{params}", _current_worker.get(), now())
        for other in self.running:
            is_leased = not self.model.is_down and other.began_at > self.lost_at + CLAIM_SECONDS
            if other.name == run.name and not other.worker.is_dead and is_leased:
                self.faults.append(f"{run.name} is computed twice at a time")
        self.computes += 1
        self.running.append(run)
        began_ms = self.now_ms()
        try:
            await asyncio.sleep(params.seconds * (0.5 + self.rng.random()))
        finally:
            self.running.remove(run)
        failure = params.failures[context.attempt - 1] if context.attempt <= len(params.failures) else ""
        if failure == "throttled":
            raise SourceThrottledError
        if failure == "failed":
            raise ComputeFailedError
        return {"tenant": context.tenant, "key": params.key, "began_ms": began_ms}

    def _start(self, work: Callable[[Worker], Awaitable[None]]) -> None:
        worker = Worker(self.rng)

        async def run() -> None:
            _current_worker.set(worker)
            try:
                await work(worker)
            except (WorkerDiedError, asyncio.CancelledError):
                if not worker.is_dead:
                    raise
            finally:
                self.workers.remove(worker)

        self.workers.append(worker)
        worker.task = asyncio.ensure_future(run())

    def _work_on_jobs(self, batch: list[Queued]) -> None:
        async def work(worker: Worker) -> None:
            messages = [Message(each.message_id, each.message_id, each.body, each.receive_count) for each in batch]
            failed = await self._make_consumer(worker).consume(messages)
            worker.check()
            self.jobs.end_batch(batch, failed)

        self._start(work)

    def _notify(self, batch: list[Queued], queue: SimulatedQueue) -> None:
        name = "deliveries" if queue is self.deliveries else "dead letters"

        async def work(worker: Worker) -> None:
            records = [
                {"messageId": each.message_id, "body": each.body, "eventSourceARN": f"arn:aws:sqs:r:a:{name}"}
                for each in batch
            ]
            parts = DeliveriesParts(
                "deliveries", self._make_deliverer(worker), self._make_dead_letters(worker), {}, BufferedMetrics()
            )
            failed = await handle(records, parts)
            worker.check()
            queue.end_batch(batch, failed)

        self._start(work)

    # ------------------------------------------------------------ their parts

    def _make_client_requests(self) -> ClientRequests:
        return ClientRequests(
            Engine(
                registry=self.registry,
                store=FakeResults(self.model),
                memory=MemoryCache(max_bytes=100_000),
                jobs=_Jobs(self.jobs),
                counter=self.counter,
                now_ms=self.now_ms,
                new_token=self.tokens,
                random=self.rng.random,
                trust_ms=1000,
            ),
            self.now_ms,
        )

    def _make_consumer(self, worker: Worker) -> Consumer:
        leases = _Leases(self, worker)
        computing = Computing(
            settings=SETTINGS,
            payloads=FakePayloads(),
            counter=self.counter,
            now_ms=self.now_ms,
            clock_us=lambda: self.now_ms() * 1000,
            random=self.rng.random,
        )
        key_worker = make_worker(
            computing=computing,
            leases=leases,
            tags=FakeTags(self.model, worker.step),
            answers=WaiterAnswers(
                leases=leases,
                frames=self._make_frames(),
                deliverer=self._make_deliverer(worker),
                recorder=FakeRecorder(),
                now_ms=self.now_ms,
            ),
            updates=SubscriberUpdates(
                leases=leases,
                histories=FakeLiveHistories(self.model, self.topics, worker.step),
                payloads=FakePayloads(),
                fan_out=FakeFanOutJobSender(),
            ),
            links=FakeLiveLinks(),
            marks=FakeLinkMarks(self.model, worker.step),
            jobs=_Jobs(self.jobs, worker),
            counter=self.counter,
            now_ms=self.now_ms,
        )
        redelivery = Redelivery(_Redelivery(self.jobs, worker), self.rng.random)
        return Consumer(registry=self.registry, worker=key_worker, redelivery=redelivery, jobs=_Jobs(self.jobs, worker))

    def _make_frames(self) -> WaiterFrames:
        return WaiterFrames(encodings=FakeConnectionEncodings(self.model), payloads=FakePayloads())

    def _make_deliverer(self, worker: Worker) -> Deliverer:
        return Deliverer(
            connections=_Connections(self, worker),
            records=FakeRecords(),
            queue=_Deliveries(self.deliveries, worker),
            counter=self.counter,
            now_ms=self.now_ms,
            random=self.rng.random,
        )

    def _make_dead_letters(self, worker: Worker) -> DeadLetters:
        leases = _Leases(self, worker)
        return DeadLetters(
            registry=self.registry,
            leases=leases,
            answers=WaiterAnswers(
                leases=leases,
                frames=self._make_frames(),
                deliverer=self._make_deliverer(worker),
                recorder=FakeRecorder(),
                now_ms=self.now_ms,
            ),
            counter=self.counter,
            now_ms=self.now_ms,
        )


class _Leases(FakeLeases):
    """A worker's view of the model, which no older result may reach over a newer one."""

    def __init__(self, lifecycle: Lifecycle, worker: Worker) -> None:
        super().__init__(lifecycle.model, worker.step)
        self._lifecycle = lifecycle

    def _fill(self, entry: Entry, claimed: Claimed, result: Result, term_ms: int, now_ms: int) -> Filled:
        before = entry.result
        filled = super()._fill(entry, claimed, result, term_ms, now_ms)
        if filled.outcome is FillOutcome.FILLED and before and before.computed_at_ms > result.computed_at_ms:
            self._lifecycle.faults.append(f"{before} was replaced by {result}, which is older")
        return filled


class _Jobs:
    def __init__(self, queue: SimulatedQueue, worker: Worker | None = None) -> None:
        self._queue = queue
        self._worker = worker

    def send(self, jobs: Sequence[Outgoing]) -> None:
        if self._worker is not None:
            self._worker.check()
        for outgoing in jobs:
            self._queue.send(serialize_job(outgoing.job), outgoing.delay_seconds)


class _Redelivery:
    def __init__(self, queue: SimulatedQueue, worker: Worker) -> None:
        self._queue = queue
        self._worker = worker

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        self._worker.check()
        for receipt, seconds in seconds_by_receipt.items():
            self._queue.hide(receipt, seconds)


class _Deliveries:
    def __init__(self, queue: SimulatedQueue, worker: Worker) -> None:
        self._queue = queue
        self._worker = worker

    async def send(self, deliveries: Sequence[Delivery], delay_seconds: int) -> None:
        await self._worker.step()
        for delivery in deliveries:
            self._queue.send(serialize_delivery(delivery), delay_seconds)


class _Connections:
    def __init__(self, lifecycle: Lifecycle, worker: Worker) -> None:
        self._lifecycle = lifecycle
        self._worker = worker

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        return [await self._post(connection_id, frame) for connection_id, frame in frames]

    async def _post(self, connection_id: str, frame: str) -> PostOutcome:
        await self._worker.step()
        document = json.loads(frame)
        if self._lifecycle.refusing_until.get(connection_id, 0.0) > now():
            self._lifecycle.asked[connection_id, document["id"]].grace_seconds = math.inf
            return PostOutcome.RETRY
        self._lifecycle.take_frame(connection_id, document)
        return PostOutcome.DELIVERED
