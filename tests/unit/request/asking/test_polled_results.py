"""Results asked for without being told: one of those who ask has them computed, nobody is parked."""

from __future__ import annotations

import pytest

from push import callers
from push.cache.jobs import JobKind
from push.computes import Tenant
from push.errors import CacheUnavailableError, QueueUnavailableError
from push.metrics import Metric
from push.protocol.frames import CacheState
from request.asking.engine import Answer
from request.asking.polled_results import PolledResults
from tests.builders.results import make_result
from tests.worlds.functions import World

ACME = Tenant("acme")


class Caller:
    """One execution environment; `sleep` moves the clock, and then lets happen what is to happen meanwhile."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pauses: list[float] = []
        self.meanwhile: dict[int, object] = {}
        self.results = PolledResults(engine=world.new_engine(), now_ms=world.clock, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.world.clock.advance(int(seconds * 1000))
        if len(self.pauses) in self.meanwhile:
            self.meanwhile[len(self.pauses)]()

    def find(self, text: str = "a", *, compute: str = "echo", tenant: str = ACME, wait: float = 0.0) -> Answer | None:
        return self.results.find(
            callers.Caller(Tenant(tenant), "somebody"), compute, f'{{"text":"{text}"}}'.encode(), wait
        )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


def entry(world: World):
    (only,) = world.model.entries.values()
    return only


async def test_a_miss_sends_one_job_with_nobody_waiting_for_it(world: World, caller: Caller) -> None:
    assert caller.find() is None
    (sent,) = world.jobs.sent
    assert (sent.job.kind, sent.job.waiter, sent.delay_seconds) == (JobKind.REQUEST, None, 0)
    assert entry(world).waiters == {}
    assert world.counter.of(Metric.CACHE_MISS) == 1


async def test_a_thousand_callers_of_a_cold_key_cost_one_job(world: World) -> None:
    callers = [Caller(world) for _ in range(10)]
    assert all(callers[number % 10].find() is None for number in range(1000))
    assert len(world.jobs.sent) == 1
    assert world.counter.of(Metric.COALESCED) == 999


async def test_who_asks_again_gets_the_result(world: World, caller: Caller) -> None:
    caller.find("a")
    await world.consume_sent()
    answer = caller.find("a")
    assert answer is not None
    assert answer.result.data == b'{"tenant":"acme","text":"a","number":0}'
    assert answer.state is CacheState.HIT
    assert world.jobs.sent == []


async def test_a_stale_result_is_answered_and_computed_anew_once(world: World, caller: Caller) -> None:
    caller.find()
    await world.consume_sent()
    first = caller.find()
    world.clock.advance(15_000)
    callers = [caller, Caller(world)]
    for number in range(10):
        answer = callers[number % 2].find()
        assert answer is not None
        assert answer.state is CacheState.STALE
    assert len(world.jobs.sent) == 1
    assert first is not None
    assert world.jobs.sent[0].job.kind is JobKind.REFRESH
    assert world.jobs.sent[0].job.newer_than_ms == first.result.computed_at_ms + 1
    await world.consume_sent()
    world.clock.advance(world.trust_ms)
    answer = caller.find()
    assert answer is not None
    assert answer.state is CacheState.HIT
    assert answer.result.computed_at_ms > first.result.computed_at_ms


async def test_what_a_change_made_stale_is_answered_while_it_is_computed_anew(world: World, caller: Caller) -> None:
    caller.find()
    await world.consume_sent()
    answer = caller.find()
    assert answer is not None
    world.model.invalidate(answer.key)
    world.clock.advance(world.trust_ms)
    answer = caller.find()
    assert answer is not None
    assert answer.state is CacheState.STALE
    assert len(world.jobs.sent) == 1


async def test_what_redis_forgot_is_answered_from_memory_and_computed_anew(world: World, caller: Caller) -> None:
    caller.find()
    await world.consume_sent()
    caller.find()
    world.model.flush()
    world.clock.advance(world.trust_ms)
    answer = caller.find()
    assert answer is not None
    assert answer.state is CacheState.STALE
    assert len(world.jobs.sent) == 1


async def test_what_is_too_old_is_as_good_as_absent(world: World, caller: Caller) -> None:
    caller.find()
    await world.consume_sent()
    world.clock.advance(71_000)
    assert caller.find() is None
    assert len(world.jobs.sent) == 1
    await world.consume_sent()
    assert caller.find() is not None


def test_who_waits_gets_the_result_as_soon_as_it_is_there(world: World, caller: Caller) -> None:
    result = make_result(computed_at_ms=world.clock())

    def fill() -> None:
        entry(world).result, entry(world).kept_until_ms = result, result.stale_until_ms

    caller.meanwhile[3] = fill
    answer = caller.find(wait=20)
    assert answer is not None
    assert answer.result == result
    assert len(caller.pauses) == 3


async def test_who_waits_looks_again_at_growing_intervals_and_not_too_long(world: World, caller: Caller) -> None:
    started_ms = world.clock()
    assert caller.find(wait=20) is None
    assert world.clock() - started_ms == pytest.approx(20_000, abs=50)
    assert caller.pauses[0] < 0.1
    assert max(caller.pauses) == 1.0
    assert len(caller.pauses) < 35
    assert len(world.jobs.sent) == 1
    assert (world.counter.of(Metric.CACHE_MISS), world.counter.of(Metric.COALESCED)) == (1, 0)


async def test_while_who_has_it_computed_died_another_of_those_who_wait_does(world: World, caller: Caller) -> None:
    caller.meanwhile[5] = lambda: setattr(entry(world), "lease", None)
    assert caller.find(wait=20) is None
    assert len(world.jobs.sent) == 2


async def test_a_key_that_rests_is_left_alone(world: World, caller: Caller) -> None:
    caller.find()
    entry(world).lease = None
    entry(world).rests_until_ms = world.clock() + 2000
    world.jobs.sent.clear()
    assert caller.find() is None
    assert world.jobs.sent == []


async def test_without_redis_memory_answers(world: World, caller: Caller) -> None:
    caller.find()
    await world.consume_sent()
    caller.find()
    world.model.is_down = True
    world.clock.advance(15_000)
    answer = caller.find()
    assert answer is not None
    assert answer.state is CacheState.STALE


async def test_without_redis_what_is_not_in_memory_is_computed_now_and_then(world: World, caller: Caller) -> None:
    world.model.is_down = True
    for _ in range(10):
        with pytest.raises(CacheUnavailableError) as caught:
            caller.find()
        assert caught.value.retry_after_ms
    assert len(world.jobs.sent) == 1
    world.clock.advance(5000)
    with pytest.raises(CacheUnavailableError):
        caller.find("a")
    with pytest.raises(CacheUnavailableError):
        caller.find("b")
    assert len(world.jobs.sent) == 3


async def test_who_waits_while_redis_comes_back_gets_the_result(world: World, caller: Caller) -> None:
    world.model.is_down = True
    caller.meanwhile[2] = lambda: setattr(world.model, "is_down", False)
    assert caller.find(wait=5) is None
    assert len(world.jobs.sent) == 2
    await world.consume_sent()
    assert caller.find() is not None


async def test_without_the_queue_nothing_is_left_behind(world: World, caller: Caller) -> None:
    world.jobs.is_down = True
    with pytest.raises(QueueUnavailableError):
        caller.find(wait=5)
    assert entry(world).lease is None
    world.jobs.is_down = False
    assert caller.find() is None
    assert len(world.jobs.sent) == 1
