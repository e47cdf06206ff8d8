"""Redis down means slower, never wrong and never an outage: requests are computed and delivered whatever it does."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import msgspec
import pytest

from compute.computing import Computing
from compute.consumer import Consumer, Message
from compute.subscriber_updates import SubscriberUpdates
from compute.wiring import make_worker
from push.adapters.redis.accepted_encodings import RedisConnectionEncodings
from push.adapters.redis.connection import AsyncRedis, SyncRedis
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.link_marks import RedisLinkMarks
from push.adapters.redis.live_histories import RedisLiveHistories
from push.adapters.redis.results import RedisResults
from push.adapters.redis.tags import RedisTags
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.cache.jobs import serialize_job
from push.cache.memory import MemoryCache
from push.callers import Caller
from push.computes import Registry, Tenant, compute
from push.delivery.delivering import Deliverer
from push.delivery.waiter_answers import WaiterAnswers
from push.delivery.waiter_frames import WaiterFrames
from push.protocol.messages import Request
from push.queues.redelivery import Redelivery
from push.settings import CacheSettings
from request.asking.client_requests import ClientRequests
from request.asking.engine import Engine
from tests.fakes.cache import FakeJobs
from tests.fakes.clock import Tokens
from tests.fakes.delivery import FakeConnections, FakeDeliveries, FakePayloads, FakeRecorder, FakeRecords
from tests.fakes.live_results import FakeFanOutJobSender, FakeLiveLinks
from tests.fakes.queues import FakeCounter, FakeRedelivery
from tests.patience import PATIENCE_SECONDS
from tests.servers.faulty_network import FaultyNetwork
from tests.servers.valkey import ask, valkey
from tests.worlds.functions import SETTINGS, middle, reply_with

pytestmark = pytest.mark.slow

ENVIRONMENTS = 3
BATCH = 10

_numbers = itertools.count(1)


class Params(msgspec.Struct, frozen=True):
    """Which key."""

    key: str


class Service:
    """Several environments of the request and of the compute function, whose Redis is behind a network.

    Between them stands a queue that is worked on when told to.
    """

    def __init__(self, port: int) -> None:
        self.computes: Counter[str] = Counter()
        self.jobs, self.connections, self.counter = FakeJobs(), FakeConnections(), FakeCounter()
        self.tokens = Tokens()
        self.registry = Registry([self._declare()])
        settings = CacheSettings(cache_url=f"redis://127.0.0.1:{port}/0", cache_timeout_ms=250)
        self.stores = [RedisResults(SyncRedis(settings)) for _ in range(ENVIRONMENTS)]
        self.redis = [AsyncRedis(settings) for _ in range(ENVIRONMENTS)]
        self.environments = [reply_with(self._make_client_requests(store), now_ms) for store in self.stores]
        self.consumers = [self._make_consumer(redis) for redis in self.redis]

    async def close(self) -> None:
        for redis in self.redis:
            await redis.close()

    async def ask(self, key: str, *, environment: int | None = None) -> str:
        """Ask for a key in some environment; return the id of the request, which is its connection, too."""
        number = next(_numbers)
        request_id = str(number)
        request = Request(request_id, "counted", msgspec.Raw(msgspec.json.encode(Params(key))), None, 30_000)
        replies = self.environments[number % ENVIRONMENTS if environment is None else environment]
        frame = await asyncio.to_thread(replies.reply, request, Caller(Tenant("acme"), "somebody", request_id))
        if msgspec.json.decode(frame)["type"] != "accepted":
            self.connections.frames.append((request_id, frame))
        return request_id

    async def work(self, *, with_guardians: bool = False) -> None:
        """Have the environments work, side by side, on all jobs there are."""
        pending = deque(self._take_jobs(with_guardians=with_guardians))
        for _ in range(50):
            if not pending:
                return
            batches = [[pending.popleft() for _ in range(min(BATCH, len(pending)))] for _ in self.consumers if pending]
            failed = await asyncio.gather(
                *(consumer.consume(batch) for consumer, batch in zip(self.consumers, batches, strict=False))
            )
            again = set(itertools.chain(*failed))
            pending += [
                Message(each.message_id, each.receipt, each.body, each.receive_count + 1)
                for each in itertools.chain(*batches)
                if each.message_id in again
            ]
            pending += self._take_jobs(with_guardians=with_guardians)
        raise AssertionError(f"these jobs find no end: {pending}")

    def _take_jobs(self, *, with_guardians: bool) -> list[Message]:
        taken = [each for each in self.jobs.sent if with_guardians or not each.delay_seconds]
        self.jobs.sent = [each for each in self.jobs.sent if each not in taken]
        names = [str(next(_numbers)) for _ in taken]
        return [Message(name, name, serialize_job(each.job), 1) for name, each in zip(names, taken, strict=True)]

    def data_of(self, request_id: str) -> set[str]:
        """Return what a request was answered with; the same answer may come twice, a different one may not."""
        frames = [msgspec.json.decode(frame) for frame in self.connections.frames_of(request_id)]
        assert {frame["type"] for frame in frames} <= {"result"}, frames
        return {frame["data"] for frame in frames}

    def assert_answered(self, asked: dict[str, str]) -> None:
        assert {request_id: self.data_of(request_id) for request_id in asked} == {
            request_id: {key} for request_id, key in asked.items()
        }

    def _declare(self):
        @compute(name="counted", ttl=60.0, stale_ttl=60.0)
        async def counted(params: Params) -> object:
            self.computes[params.key] += 1
            await asyncio.sleep(0.02)
            return params.key

        return counted

    def _make_client_requests(self, store: RedisResults) -> ClientRequests:
        return ClientRequests(
            Engine(
                registry=self.registry,
                store=store,
                memory=MemoryCache(max_bytes=100_000),
                jobs=self.jobs,
                counter=self.counter,
                now_ms=now_ms,
                new_token=self.tokens,
                random=middle,
                trust_ms=0,
            ),
            now_ms,
        )

    def _make_consumer(self, redis: AsyncRedis) -> Consumer:
        leases = RedisLeases(redis)
        deliverer = Deliverer(
            connections=self.connections,
            records=FakeRecords(),
            queue=FakeDeliveries(),
            counter=self.counter,
            now_ms=now_ms,
            random=middle,
        )
        worker = make_worker(
            computing=Computing(
                settings=SETTINGS,
                payloads=FakePayloads(),
                counter=self.counter,
                now_ms=now_ms,
                clock_us=lambda: time.monotonic_ns() // 1000,
                random=middle,
            ),
            leases=leases,
            tags=RedisTags(redis),
            answers=WaiterAnswers(
                leases=leases,
                frames=WaiterFrames(encodings=RedisConnectionEncodings(redis), payloads=FakePayloads()),
                deliverer=deliverer,
                recorder=FakeRecorder(),
                now_ms=now_ms,
            ),
            updates=SubscriberUpdates(
                leases=leases,
                histories=RedisLiveHistories(redis, shipped_namespaces()),
                payloads=FakePayloads(),
                fan_out=FakeFanOutJobSender(),
            ),
            links=FakeLiveLinks(),
            marks=RedisLinkMarks(redis),
            jobs=self.jobs,
            counter=self.counter,
            now_ms=now_ms,
        )
        redelivery = Redelivery(FakeRedelivery(), middle)
        return Consumer(registry=self.registry, worker=worker, redelivery=redelivery, jobs=self.jobs)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def environment() -> None:
    """These tests read no environment and need no AWS."""


@pytest.fixture
def port() -> Iterator[int]:
    with valkey() as url:
        yield urlsplit(url).port or 0


@pytest.fixture
async def network(port: int) -> AsyncIterator[FaultyNetwork]:
    async with FaultyNetwork(port) as network:
        yield network


@pytest.fixture
async def service(network: FaultyNetwork) -> AsyncIterator[Service]:
    service = Service(network.port)
    yield service
    await service.close()


async def swallow(network: FaultyNetwork, _port: int) -> None:
    network.swallow()


async def delay(network: FaultyNetwork, _port: int) -> None:
    network.delay(0.2)


async def reset(network: FaultyNetwork, _port: int) -> None:
    network.reset()


async def refuse(network: FaultyNetwork, _port: int) -> None:
    await network.refuse()


async def fill_up(_network: FaultyNetwork, port: int) -> None:
    ask(port, b"CONFIG SET maxmemory 1")


async def demote(_network: FaultyNetwork, port: int) -> None:
    ask(port, b"REPLICAOF 127.0.0.1 1")


async def stall(_network: FaultyNetwork, port: int) -> None:
    ask(port, b"CLIENT PAUSE 1000 ALL")


async def recover(network: FaultyNetwork, port: int) -> None:
    ask(port, b"CONFIG SET maxmemory 0")
    ask(port, b"REPLICAOF NO ONE")
    await network.heal()


faults = pytest.mark.parametrize(
    "fault", [swallow, delay, reset, refuse, fill_up, demote, stall], ids=lambda fault: fault.__name__
)


async def ask_many(service: Service, count: int, keys: int) -> dict[str, str]:
    names = [f"key {next(_numbers)}" for _ in range(keys)]
    return {await service.ask(names[number % keys]): names[number % keys] for number in range(count)}


async def until_redis_is_used(service: Service) -> None:
    """Have every environment find out that Redis is back."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for store in service.stores:
            while not await answers(asyncio.to_thread(store._redis.run, "PING")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for redis in service.redis:
            while not await answers(redis.run("PING")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def answers(command) -> bool:
    try:
        await command
    except Exception:  # noqa: BLE001 - whatever it is, it is not there yet
        return False
    return True


@faults
async def test_requests_are_computed_and_delivered_without_redis(
    service: Service, network: FaultyNetwork, port: int, fault
) -> None:
    await fault(network, port)
    asked = await ask_many(service, 30, keys=6)
    await service.work()
    service.assert_answered(asked)


@faults
async def test_requests_that_were_parked_before_redis_went_away_are_answered_once_it_is_back(
    service: Service, network: FaultyNetwork, port: int, fault
) -> None:
    asked = await ask_many(service, 30, keys=3)
    await fault(network, port)
    await service.work()
    await recover(network, port)
    await until_redis_is_used(service)
    await asyncio.sleep(4.1 if len(service.connections.frames) < len(asked) else 0)  # the lease ends
    await service.work(with_guardians=True)
    service.assert_answered(asked)


@faults
async def test_results_in_memory_are_answered_without_redis(
    service: Service, network: FaultyNetwork, port: int, fault
) -> None:
    asked = {await service.ask("known", environment=0): "known"}
    await service.work()
    asked[await service.ask("known", environment=0)] = "known"
    await fault(network, port)
    for _ in range(50):
        asked[await service.ask("known", environment=0)] = "known"
    service.assert_answered(asked)
    assert service.computes["known"] == 1
    assert not [each for each in service.jobs.sent if not each.delay_seconds]


@faults
async def test_a_key_asked_for_during_the_outage_is_computed_once_if_redis_is_back_in_time(
    service: Service, network: FaultyNetwork, port: int, fault
) -> None:
    """Nobody could park, so everybody sent a job; of these the first claims the key and the others find it filled."""
    await fault(network, port)
    asked = await ask_many(service, 60, keys=1)
    await recover(network, port)
    await until_redis_is_used(service)
    await service.work()
    service.assert_answered(asked)
    assert list(service.computes.values()) == [1]


@faults
async def test_one_compute_per_key_holds_again_as_soon_as_redis_is_back(
    service: Service, network: FaultyNetwork, port: int, fault
) -> None:
    await fault(network, port)
    await ask_many(service, 10, keys=5)
    await service.work()
    await recover(network, port)
    await until_redis_is_used(service)
    before = service.computes.copy()
    asked = await ask_many(service, 100, keys=5)
    await service.work()
    service.assert_answered(asked)
    assert sorted((service.computes - before).values()) == [1] * 5


async def test_a_flush_costs_one_compute_per_key(service: Service, port: int) -> None:
    asked = await ask_many(service, 20, keys=4)
    await service.work()
    ask(port, b"FLUSHALL")
    ask(port, b"SCRIPT FLUSH")
    for key in list(asked.values()) * 5:
        asked[await service.ask(key)] = key
    await service.work()
    service.assert_answered(asked)
    assert sorted(service.computes.values()) == [2] * 4


async def test_who_asked_first_is_answered_though_redis_forgot_everything_meanwhile(
    service: Service, port: int
) -> None:
    """The job carries him; those parked beside him are known to Redis alone, and their clients ask again."""
    first = {await service.ask("forgotten"): "forgotten"}
    ask(port, b"FLUSHALL")
    await service.work()
    service.assert_answered(first)


async def test_a_server_started_anew_is_filled_again(network: FaultyNetwork, service: Service) -> None:
    with valkey() as url:
        network.lead_to(urlsplit(url).port or 0)
        network.reset()
        await network.heal()
        asked = await ask_many(service, 20, keys=2)
    await service.work()
    with valkey() as url:
        network.lead_to(urlsplit(url).port or 0)
        await until_redis_is_used(service)
        asked |= await ask_many(service, 20, keys=2)
        await service.work()
        assert [await service.ask(key) for key in asked.values()]
    assert sorted(service.computes.values())[:2] == [1, 1]
