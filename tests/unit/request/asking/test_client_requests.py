"""How a request is answered: from memory, from Redis, or by being parked; and what is left behind when it can't be."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from push.cache.jobs import GUARDIAN_DELAY_SECONDS, JobKind
from push.errors import QueueUnavailableError
from push.metrics import Metric
from push.results import Status
from tests.builders.results import make_result
from tests.worlds.functions import World, results_of

L1, REDIS = ("Tier", "l1"), ("Tier", "redis")


@pytest.fixture
def world() -> World:
    return World()


async def fill(world: World, **request: object) -> None:
    """Have a request computed and everything of it done."""
    world.ask("fill", connection_id="filler=", **request)
    await world.consume_sent()
    world.jobs.sent.clear()
    world.counter.counts.clear()


def only_entry(world: World):
    (entry,) = world.model.entries.values()
    return entry


async def test_a_miss_is_accepted_parked_and_sent_once_with_its_guardian(world: World) -> None:
    assert world.ask("7", connection_id="ann=") == {"type": "accepted", "id": "7"}
    job, guardian = world.jobs.sent
    assert (job.job.kind, job.delay_seconds) == (JobKind.REQUEST, 0)
    assert (guardian.job.kind, guardian.delay_seconds) == (JobKind.GUARDIAN, GUARDIAN_DELAY_SECONDS)
    assert guardian.job == job.job.guardian()
    assert job.job.waiter is not None
    assert (job.job.waiter.connection_id, job.job.waiter.request_id) == ("ann=", "7")
    assert list(only_entry(world).waiters) == [job.job.waiter]
    assert only_entry(world).lease.token == job.job.token


async def test_a_thousand_callers_of_a_cold_key_cost_one_job(world: World) -> None:
    environments = [world.new_client_requests() for _ in range(3)]
    for number in range(1000):
        answer = world.ask(connection_id=f"{number}=", client_requests=environments[number % 3])
        assert answer["type"] == "accepted"
    assert len(world.jobs.sent) == 2
    await world.consume_sent()
    assert all(results_of(world.pushed(f"{number}=")) for number in range(1000))
    assert len(world.connections.frames) == 1000
    assert world.counter.of(Metric.CACHE_MISS) == 1000
    assert world.counter.of(Metric.COALESCED) == 999


async def test_a_hit_is_answered_at_once_and_nothing_is_sent(world: World) -> None:
    await fill(world)
    world.clock.advance(40)
    answer = world.ask("7", client_requests=world.new_client_requests())
    assert (answer["type"], answer["id"], answer["cache"], answer["age_ms"]) == ("result", "7", "hit", 40)
    assert answer["data"] == {"tenant": "acme", "text": "", "number": 0}
    assert world.jobs.sent == []
    assert world.counter.of(Metric.CACHE_HIT, REDIS) == 1


async def test_what_was_just_read_is_answered_from_memory_though_redis_is_away(world: World) -> None:
    await fill(world)
    world.ask()
    world.model.is_down = True
    world.clock.advance(world.trust_ms - 1)
    assert world.ask()["cache"] == "hit"
    assert world.counter.of(Metric.CACHE_HIT, L1) == 1
    assert world.counter.of(Metric.CACHE_UNAVAILABLE) == 0


async def test_memory_is_checked_against_redis_after_a_while(world: World) -> None:
    await fill(world)
    world.ask()
    world.clock.advance(world.trust_ms)
    only_entry(world).result = make_result(b'"other"', computed_at_ms=world.clock())
    assert world.ask()["data"] == "other"


async def test_memory_that_was_confirmed_is_trusted_anew(world: World) -> None:
    await fill(world)
    world.ask()
    world.clock.advance(world.trust_ms)
    world.ask()
    assert world.counter.of(Metric.CACHE_HIT, L1) == 1


async def test_an_invalidated_result_in_memory_is_noticed_at_the_check(world: World) -> None:
    await fill(world)
    world.ask()
    result = only_entry(world).result
    world.clock.advance(world.trust_ms)
    only_entry(world).result = replace(result, is_invalidated=True)
    assert world.ask()["type"] == "accepted"


async def test_a_stale_result_is_answered_and_refreshed_once(world: World) -> None:
    await fill(world)
    world.clock.advance(10_000)
    environments = [world.client_requests, world.new_client_requests(), world.client_requests]
    assert [world.ask(client_requests=client_requests)["cache"] for client_requests in environments] == ["stale"] * 3
    assert [outgoing.job.kind for outgoing in world.jobs.sent if not outgoing.delay_seconds] == [JobKind.REFRESH]
    assert world.counter.of(Metric.CACHE_STALE) == 3
    assert world.counter.of(Metric.REFRESH) == 1


async def test_the_first_to_wait_for_a_refresh_sends_the_guardian_that_it_lacks(world: World) -> None:
    await fill(world)
    world.clock.advance(10_000)
    assert world.ask()["cache"] == "stale"
    for name in ("ann=", "ben="):
        assert world.ask(connection_id=name, max_age=0)["type"] == "accepted"
    assert [outgoing.job.kind for outgoing in world.jobs.sent] == [JobKind.REFRESH, JobKind.GUARDIAN]


async def test_without_sqs_nobody_waits_for_a_refresh_unguarded(world: World) -> None:
    await fill(world)
    world.clock.advance(10_000)
    world.ask()
    world.jobs.is_down = True
    assert isinstance(world.refusal(max_age=0), QueueUnavailableError)
    assert only_entry(world).waiters == {}
    assert only_entry(world).lease is not None


async def test_the_jobs_deadline_is_the_callers(world: World) -> None:
    world.ask(deadline_ms=1234)
    assert world.jobs.sent[0].job.deadline_ms == world.clock() + 1234


@pytest.mark.parametrize(("max_age", "age_ms", "kind"), [(0, 0, "accepted"), (1, 999, "result"), (1, 1000, "accepted")])
async def test_nothing_older_than_the_caller_allows_is_answered(
    world: World, max_age: float, age_ms: int, kind: str
) -> None:
    await fill(world)
    world.clock.advance(age_ms)
    assert world.ask(max_age=max_age)["type"] == kind


@pytest.mark.parametrize("max_age", [10**6, 1e300, 1.7976931348623157e308])
async def test_any_age_may_be_allowed(world: World, max_age: float) -> None:
    await fill(world)
    assert world.ask(max_age=max_age)["type"] == "result"


async def test_who_forces_a_compute_waits_with_those_who_do_so_too(world: World) -> None:
    await fill(world)
    for name in ("ann=", "ben="):
        assert world.ask(connection_id=name, max_age=0)["type"] == "accepted"
    assert len(world.jobs.sent) == 2
    await world.consume_sent()
    assert len(world.pushed("ann=")) == len(world.pushed("ben=")) == 1


async def test_a_remembered_failure_is_answered_as_the_error_it_is(world: World) -> None:
    await fill(world)
    error = b'{"code":"not_found","message":"Gone.","retryable":false}'
    only_entry(world).result = make_result(error, computed_at_ms=world.clock(), status=Status.FAILURE)
    answer = world.ask("7", client_requests=world.new_client_requests())
    assert (answer["type"], answer["id"], answer["error"]["code"]) == ("error", "7", "not_found")


async def test_without_redis_a_request_is_still_accepted_and_computed_and_delivered(world: World) -> None:
    world.model.is_down = True
    assert world.ask()["type"] == "accepted"
    await world.consume_sent()
    assert len(results_of(world.pushed())) == 1


async def test_without_redis_what_memory_holds_is_answered_as_long_as_it_lasts(world: World) -> None:
    await fill(world)
    world.ask()
    world.model.is_down = True
    world.clock.advance(5000)
    assert world.ask()["cache"] == "hit"
    world.clock.advance(5000)
    assert world.ask()["cache"] == "stale"
    world.clock.advance(70_000)
    assert world.ask()["type"] == "accepted"


async def test_without_sqs_a_stale_result_is_answered_and_the_refresh_left_to_a_later_request(world: World) -> None:
    await fill(world)
    world.clock.advance(10_000)
    world.jobs.is_down = True
    assert world.ask()["cache"] == "stale"
    world.jobs.is_down = False
    world.clock.advance(world.trust_ms)
    assert world.ask()["cache"] == "stale"
    assert world.jobs.sent[0].job.kind is JobKind.REFRESH


async def test_tenants_share_nothing(world: World) -> None:
    await fill(world, tenant="acme")
    assert world.ask(tenant="globex", connection_id="gus=")["type"] == "accepted"
    await world.consume_sent()
    assert results_of(world.pushed("gus=")) == [{"tenant": "globex", "text": "", "number": 0}]


async def test_a_shared_compute_is_computed_once_for_all_tenants(world: World) -> None:
    await fill(world, tenant="acme", compute="shared")
    assert world.ask(tenant="globex", compute="shared")["cache"] == "hit"


async def test_other_params_are_another_result(world: World) -> None:
    await fill(world, params=b'{"text":"a"}')
    assert world.ask(params=b'{"text":"b"}')["type"] == "accepted"


async def test_params_written_otherwise_are_the_same_result(world: World) -> None:
    await fill(world, params=b'{"text":"a","number":1,"members":{"x":1,"y":2}}')
    answer = world.ask(params=b'{ "members": {"y": 2, "x": 1}, "number": 1 , "text":"\\u0061", "value": null }')
    assert answer["cache"] == "hit"


@pytest.mark.parametrize("length", [0, 2000])
async def test_long_params_are_answered_like_short_ones(world: World, length: int) -> None:
    params = b'{"text":"' + b"x" * length + b'"}'
    await fill(world, params=params)
    assert world.ask(params=params)["cache"] == "hit"


async def test_when_redis_forgot_a_hot_result_the_first_to_ask_waits_and_others_get_it_from_memory(
    world: World,
) -> None:
    await fill(world)
    world.ask()
    world.jobs.sent.clear()
    world.model.flush()
    world.clock.advance(world.trust_ms)
    frames = [world.ask(f"{number}") for number in range(3)]
    assert [frame["type"] for frame in frames] == ["accepted", "result", "result"]
    assert {frame["cache"] for frame in frames[1:]} == {"stale"}
    assert len(world.jobs.sent) == 2  # the job and its guardian
    await world.consume_sent()
    world.clock.advance(world.trust_ms)
    assert world.ask("later")["cache"] == "hit"


async def test_what_redis_forgot_is_no_answer_to_who_wants_it_newer(world: World) -> None:
    await fill(world)
    world.ask()
    world.model.flush()
    world.clock.advance(world.trust_ms)
    assert world.ask("2", max_age=0)["type"] == "accepted"
