"""Dead jobs: everyone who waits is told, with the result if there is one, and nobody twice without need."""

from __future__ import annotations

import pytest

from notify.dead_letters import DeadLetters
from push.cache.jobs import LEASE_TERM_MS, Job, serialize_job
from push.delivery.ports import PostOutcome
from push.errors import CacheUnavailableError, TransientError
from push.keys import Key, make_key
from push.metrics import Metric
from tests.builders.results import make_job
from tests.fakes.queues import FakeBodies
from tests.worlds.functions import World, results_of


@pytest.fixture
def world() -> World:
    return World()


def ask(world: World, **request: object) -> Job:
    assert world.ask(**request)["type"] == "accepted"
    return world.jobs.sent[0].job


def key_of(world: World, job: Job) -> Key:
    declared = world.registry.find(job.compute)
    return make_key(job.tenant, declared, declared.parse_params(job.params))


async def end(world: World, job: Job) -> None:
    await world.dead_letters.end(serialize_job(job))


def codes(frames: list[dict]) -> list[str]:
    return [frame["error"]["code"] for frame in frames if frame["type"] == "error"]


async def test_everybody_who_waits_is_told_that_the_compute_failed(world: World) -> None:
    job = ask(world)
    world.ask(connection_id="ben=")
    await end(world, job)
    assert codes(world.pushed("ann=")) == codes(world.pushed("ben=")) == ["compute_failed"]
    entry = world.model.entry(key_of(world, job))
    assert (entry.waiters, entry.lease) == ({}, None)
    assert world.counter.of(Metric.DEAD_LETTER) == 1


async def test_who_came_with_the_job_is_told_though_redis_forgot_him(world: World) -> None:
    job = ask(world)
    world.model.flush()
    await end(world, job)
    assert codes(world.pushed()) == ["compute_failed"]


async def test_if_only_the_answering_failed_everybody_gets_the_result(world: World) -> None:
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    world.deliveries.is_down = True
    job = ask(world)
    await world.consume(job)
    world.connections.outcomes.clear()
    world.model.entry(key_of(world, job)).lease = None
    await end(world, job)
    assert len(results_of(world.pushed())) == 1


async def test_who_wants_it_newer_than_what_is_stored_is_told_the_error(world: World) -> None:
    world.ask("0", connection_id="old=")
    await world.consume_sent()
    world.clock.advance(10)
    world.jobs.sent.clear()
    job = ask(world, max_age=0)
    await end(world, job)
    assert codes(world.pushed()) == ["compute_failed"]


async def test_if_somebody_works_on_the_key_it_is_left_to_him(world: World) -> None:
    job = ask(world)
    await world.leases.claim(key_of(world, job), job.token, LEASE_TERM_MS, {})
    await end(world, job)
    assert world.pushed() == []


async def test_without_redis_who_came_with_the_job_is_told_and_the_others_when_it_is_back(world: World) -> None:
    job = ask(world)
    world.ask(connection_id="ben=")
    world.model.is_down = True
    with pytest.raises(CacheUnavailableError):
        await end(world, job)
    assert codes(world.pushed("ann=")) == ["compute_failed"]
    world.model.is_down = False
    await end(world, job)
    assert codes(world.pushed("ben=")) == ["compute_failed"]


@pytest.mark.parametrize(
    ("compute", "params", "code"),
    [("unheard-of", b"{}", "unknown_compute"), ("echo", b'{"number":"one"}', "invalid_params")],
)
async def test_what_is_no_job_of_this_deployment_is_told_to_who_came_with_it(
    world: World, compute: str, params: bytes, code: str
) -> None:
    waiter = ask(world).waiter
    await end(world, make_job(compute=compute, params=params, waiter=waiter))
    assert codes(world.pushed()) == [code]


@pytest.mark.parametrize("body", ["", "no json", "{}"])
async def test_what_is_no_job_at_all_is_dropped(world: World, body: str) -> None:
    await world.dead_letters.end(body)
    assert world.connections.frames == []


async def test_what_is_no_longer_kept_is_the_end_and_what_can_not_be_fetched_now_is_read_again(world: World) -> None:
    bodies = FakeBodies()
    dead_letters = DeadLetters(
        registry=world.registry,
        leases=world.leases,
        answers=world.answers,
        counter=world.counter,
        now_ms=world.clock,
        bodies=bodies,
    )
    body = bodies.pack(serialize_job(ask(world)))
    await dead_letters.end("claim:gone")
    bodies.is_down = True
    with pytest.raises(TransientError):
        await dead_letters.end(body)
    assert world.pushed() == []
    bodies.is_down = False
    await dead_letters.end(body)
    assert codes(world.pushed()) == ["compute_failed"]
