"""Measure the expiry of 1,000 results of the same second, under 2,000 requests a second.

Eight request environments (the deployed message handling, each with its own memory) use a real Valkey. A pipe in place
of SQS passes jobs to a process that computes like the deployed consumer, 100 keys at once. A compute takes 100 ms, and
its result is fresh for the usual minute. The results start at an age of 48 s, so that all of them would expire 12 s
after the start. Every request is for a random key.

The benchmark runs twice: as deployed, with jittered lifetimes and early refreshes of hot results, and without both
(every random number 0). Each run prints the starts of computes, in half seconds, and the durations of answers: of the
handling alone, and since the request was due, so that a stall counts for every request during it. Percentiles are
those of half seconds: their median and the worst, to tell a burst of other work on the machine from the usual load.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import random
import statistics
import sys
import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import msgspec

from benchmarks._measuring import print_table
from compute.computing import Computing
from compute.consumer import Consumer, Message
from compute.subscriber_updates import SubscriberUpdates
from compute.wiring import make_worker
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.redis.accepted_encodings import RedisConnectionEncodings
from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.link_marks import RedisLinkMarks
from push.adapters.redis.live_histories import RedisLiveHistories
from push.adapters.redis.results import RedisResults
from push.adapters.redis.tags import RedisTags
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.cache.jobs import Job, JobKind, Outgoing, serialize_job
from push.cache.memory import MemoryCache
from push.computes import Registry, Tenant, compute
from push.delivery.delivering import Deliverer
from push.delivery.waiter_answers import WaiterAnswers
from push.delivery.waiter_frames import WaiterFrames
from push.queues.redelivery import Redelivery
from push.settings import CacheSettings, ComputeSettings, RequestSettings
from request.asking.client_encodings import ClientEncodings
from request.asking.client_requests import ClientRequests
from request.asking.engine import Engine
from request.asking.socket_replies import SocketReplies
from request.socket_app import SocketParts, handle
from request.wiring.socket_topics import SocketTopics
from tests.fakes.cache import CacheModel, FakeJobs
from tests.fakes.delivery import (
    FakeConnections,
    FakeDeliveries,
    FakeDeliverySender,
    FakeEncodings,
    FakePayloads,
    FakeRecorder,
    FakeRecords,
)
from tests.fakes.live_results import FakeFanOutJobSender, FakeLiveLinks
from tests.fakes.queues import FakeCounter, FakeRedelivery
from tests.servers.valkey import valkey

KEYS = 1000
REQUESTS_PER_SECOND = 2000
ENVIRONMENTS = 8
COMPUTES_AT_ONCE = 100
COMPUTE_SECONDS = 0.1
AGE_MS = 48_000
SECONDS = 18.0
BIN_SECONDS = 0.5

_beginnings: list[float] = []


class ExpiringParams(msgspec.Struct, frozen=True):
    """Params that name the key."""

    number: int


@compute(name="expiring", ttl=60.0, stale_ttl=300.0)
async def expiring(params: ExpiringParams) -> object:
    """Take the duration of a compute, and record its start."""
    _beginnings.append(time.time())
    await asyncio.sleep(COMPUTE_SECONDS)
    return {"number": params.number, "text": "x" * 1000}


def make_random(*, is_random: bool) -> Callable[[], float]:
    return random.random if is_random else lambda: 0.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# ---------------------------------------------------------------- the computing process


def compute_process(url: str, pipe: Connection, is_random: bool) -> None:  # noqa: FBT001 - a process's arguments
    """Store all results with an age, work on jobs until an empty one arrives, and then send the starts of computes."""
    logging.disable()
    asyncio.run(_compute_all(url, pipe, make_random(is_random=is_random)))


async def _compute_all(url: str, pipe: Connection, randomness: Callable[[], float]) -> None:
    redis = AsyncRedis(CacheSettings(cache_url=url))
    slots = asyncio.Semaphore(COMPUTES_AT_ONCE)
    earlier = _make_consumer(url, redis, lambda: now_ms() - AGE_MS, randomness)
    jobs = [
        Job(JobKind.REFRESH, Tenant("public"), "expiring", msgspec.Raw(b'{"number":%d}' % number), f"queued {number}")
        for number in range(KEYS)
    ]
    await asyncio.gather(*(_consume(earlier, slots, serialize_job(job)) for job in jobs))
    assert len(_beginnings) == KEYS
    _beginnings.clear()
    pipe.send_bytes(b"ready")
    await _receive(pipe, _make_consumer(url, redis, now_ms, randomness), slots)
    await redis.close()
    pipe.send(_beginnings)


async def _receive(pipe: Connection, consumer: Consumer, slots: asyncio.Semaphore) -> None:
    readable = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), readable.set)
    async with asyncio.TaskGroup() as tasks:
        while True:
            await readable.wait()
            readable.clear()
            while pipe.poll():
                if not (body := pipe.recv_bytes().decode()):
                    asyncio.get_running_loop().remove_reader(pipe.fileno())
                    return
                tasks.create_task(_consume(consumer, slots, body))


async def _consume(consumer: Consumer, slots: asyncio.Semaphore, body: str) -> None:
    async with slots:
        failed = await consumer.consume([Message("message", "receipt", body, 1)])
    assert not failed


def _make_consumer(url: str, redis: AsyncRedis, clock: Callable[[], int], randomness: Callable[[], float]) -> Consumer:
    """Return the consumer as deployed, except for queues and connections, which refreshes do not use."""
    counter = FakeCounter()
    leases = RedisLeases(redis)
    deliverer = Deliverer(
        connections=FakeConnections(),
        records=FakeRecords(),
        queue=FakeDeliveries(),
        counter=counter,
        now_ms=clock,
        random=randomness,
    )
    settings = ComputeSettings(
        cache_url=url,
        compute_queue_url="",
        fan_out_queue_url="",
        subscriptions_table="",
        delivery_queue_url="",
        connections_table="",
        requests_table="",
        webhook_queue_url="",
        storage_bucket="",
        aws_endpoint_url_apigatewaymanagementapi="",
    )
    computing = Computing(
        settings=settings,
        payloads=FakePayloads(),
        counter=counter,
        now_ms=clock,
        clock_us=lambda: time.monotonic_ns() // 1000,
        random=randomness,
    )
    live = SubscriberUpdates(
        leases=leases,
        histories=RedisLiveHistories(redis, shipped_namespaces()),
        payloads=FakePayloads(),
        fan_out=FakeFanOutJobSender(),
    )
    jobs = FakeJobs()
    worker = make_worker(
        computing=computing,
        leases=leases,
        tags=RedisTags(redis),
        answers=WaiterAnswers(
            leases=leases,
            frames=WaiterFrames(encodings=RedisConnectionEncodings(redis), payloads=FakePayloads()),
            deliverer=deliverer,
            recorder=FakeRecorder(),
            now_ms=clock,
        ),
        updates=live,
        links=FakeLiveLinks(),
        marks=RedisLinkMarks(redis),
        jobs=jobs,
        counter=counter,
        now_ms=clock,
    )
    registry = Registry([expiring])
    return Consumer(registry=registry, worker=worker, redelivery=Redelivery(FakeRedelivery(), randomness), jobs=jobs)


# ---------------------------------------------------------------- the requests


class PipeJobs:
    """A `JobSender` into the computing process. It drops delayed jobs, which would arrive after the run."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def send(self, jobs: Sequence[Outgoing]) -> None:
        for outgoing in jobs:
            if not outgoing.delay_seconds:
                self._pipe.send_bytes(serialize_job(outgoing.job).encode())


def make_environment(url: str, pipe: Connection, number: int, randomness: Callable[[], float]) -> SocketParts:
    settings = RequestSettings(
        cache_url=url,
        compute_queue_url="",
        delivery_queue_url="",
        storage_bucket="",
        subscriptions_table="",
        fan_out_queue_url="",
    )
    metrics = BufferedMetrics(interval_seconds=3600.0)
    tokens = itertools.count(1)
    client_requests = ClientRequests(
        Engine(
            registry=Registry([expiring]),
            store=RedisResults(SyncRedis(settings)),
            memory=MemoryCache(max_bytes=settings.memory_cache_mb * 1024 * 1024),
            jobs=PipeJobs(pipe),
            counter=metrics,
            now_ms=now_ms,
            new_token=lambda: f"queued {number} {next(tokens)}",
            random=randomness,
            trust_ms=int(settings.memory_cache_seconds * 1000),
        ),
        now_ms,
    )
    client_encodings = ClientEncodings(FakeEncodings(CacheModel(now_ms)), now_ms)
    deliveries = FakeDeliverySender(FakeDeliveries())
    replies = SocketReplies(
        client_requests=client_requests,
        client_encodings=client_encodings,
        payloads=FakePayloads(),
        deliveries=deliveries,
    )
    topics = SocketTopics(settings, SyncRedis(settings), Registry([expiring]), client_requests.engine, client_encodings)
    return SocketParts(replies, client_encodings, topics, metrics, reconnect_after_seconds=6600.0)


def make_event(number: int) -> dict[str, Any]:
    return {
        "requestContext": {"connectionId": "L0SM9cOFvHcCIhw="},
        "body": f'{{"action":"request","id":"1","compute":"expiring","params":{{"number":{number}}}}}',
    }


@dataclass(slots=True)
class Run:
    """The figures of one run. Times are in seconds since its start."""

    beginnings: list[float] = field(default_factory=list)
    answers: list[tuple[float, float, float]] = field(default_factory=list)
    """The due time of each request, the duration of its handling, and the duration since it was due."""
    states: Tally[str] = field(default_factory=Tally)


def run(url: str, *, is_random: bool) -> Run:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=compute_process, args=(url, theirs, is_random), daemon=True)
    process.start()
    if not ours.poll(30):
        raise TimeoutError("the results were not made in time")
    ours.recv_bytes()
    randomness = make_random(is_random=is_random)
    environments = [make_environment(url, ours, number, randomness) for number in range(ENVIRONMENTS)]
    events = [make_event(number) for number in range(KEYS)]
    shown = Run()
    started = _drive(environments, events, shown)
    ours.send_bytes(b"")
    if not ours.poll(10):
        raise TimeoutError("the computes did not end in time")
    shown.beginnings = [beginning - started for beginning in ours.recv()]
    process.join(10)
    return shown


def _drive(environments: list[SocketParts], events: list[dict[str, Any]], shown: Run) -> float:
    """Send requests at an even rate, independent of the answers, and return the start time."""
    chosen = random.Random(7)
    started, wall = time.perf_counter(), time.time()
    for number in range(int(SECONDS * REQUESTS_PER_SECOND)):
        due = number / REQUESTS_PER_SECOND
        early = started + due - time.perf_counter()
        if early > 0:
            time.sleep(early)
        event, environment = chosen.choice(events), chosen.choice(environments)
        began = time.perf_counter()
        frame = handle(event, environment)
        ended = time.perf_counter()
        shown.answers.append((due, ended - began, ended - started - due))
        shown.states[next((s for s in ("hit", "stale") if f'"cache":"{s}"' in frame[:400]), "waited")] += 1
    return wall


# ---------------------------------------------------------------- output


def print_run(title: str, shown: Run) -> None:
    if not shown.beginnings:
        raise SystemExit("Nothing was computed, so the figures mean nothing.")
    bins = Tally(int(beginning / BIN_SECONDS) for beginning in shown.beginnings)
    tenths = Tally(int(beginning * 10) for beginning in shown.beginnings)
    print(f"### {title}\n")
    print(f"{len(shown.beginnings)} computes of {KEYS} keys, at most {max(tenths.values())} in a tenth of a second;")
    print(f"answers: {', '.join(f'{count} {state}' for state, count in shown.states.most_common())}\n")
    print("```")
    for number in range(min(bins), max(bins) + 1):
        print(f"{number * BIN_SECONDS:5.1f} s {bins[number]:5} {'#' * round(bins[number] / 10)}")
    print("```\n")


def print_latencies(runs: dict[str, Run]) -> None:
    rows = []
    for title, shown in runs.items():
        first, last = min(shown.beginnings), max(shown.beginnings) + COMPUTE_SECONDS
        phases = {"before": (BIN_SECONDS, first), "during": (first, last), "after": (last, SECONDS)}
        for phase, (begin, end) in phases.items():
            answers = [each for each in shown.answers if begin <= each[0] < end]
            handling, since_due = describe(answers, 1), describe(answers, 2)
            rows.append((f"{title}, {phase} ({begin:.1f}-{end:.1f} s)", f"{len(answers):,}", *handling, *since_due))
    print_table(("ms", "answers", "handled p50", "p99", "(worst)", "since due p50", "p99", "(worst)"), rows)


def describe(answers: Sequence[tuple[float, float, float]], column: int) -> tuple[str, str, str]:
    """Return, in milliseconds, the median, and the median and worst of the 99th percentiles of half seconds."""
    if not answers:
        return "-", "-", "-"
    bins: defaultdict[int, list[float]] = defaultdict(list)
    for answer in answers:
        bins[int(answer[0] / BIN_SECONDS)].append(answer[column] * 1000)
    p99s = [sorted(took)[int(len(took) * 0.99)] for took in bins.values()]
    p50 = statistics.median(took for each in bins.values() for took in each)
    return f"{p50:.2f}", f"{statistics.median(p99s):.2f}", f"{max(p99s):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    logging.disable()
    runs = {}
    for title, is_random in (("jittered and refreshed early", True), ("both off", False)):
        with valkey() as url:
            runs[title] = run(url, is_random=is_random)
        print_run(title, runs[title])
    print_latencies(runs)


if __name__ == "__main__":
    main()
