"""What the engine does alike for sockets, `GET /results` and live values: find, judge, park and send."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest

from push.cache.jobs import NO_DEADLINE_MS, JobKind, Waiter, live_waiter
from push.cache.ports import Parked, ParkOutcome
from push.callers import Caller
from push.computes import Tenant
from push.errors import CacheUnavailableError, ErrorCode, QueueUnavailableError, RequestError, TransientError
from push.keys import Key, make_key
from request.asking.live_values import LiveValues
from request.asking.polled_results import PolledResults
from tests.builders.results import EchoParams, echo, make_result
from tests.worlds.functions import World
from tests.worlds.topics import FakeSubscriptions

PARAMS = b'{"text":"a"}'

Ask = Callable[..., bytes | None]
"""Asks as a caller does; returns the data of the answer, None if the result is being computed."""


def over_a_socket(world: World) -> Ask:
    def ask(*, compute: str = "echo", tenant: str = "acme", params: bytes = PARAMS) -> bytes | None:
        frame = world.ask(compute=compute, tenant=tenant, params=params)
        return None if frame["type"] == "accepted" else msgspec.json.encode(frame["data"])

    return ask


def by_polling(world: World) -> Ask:
    results = PolledResults(world.new_engine(), world.clock, lambda _seconds: None)

    def ask(*, compute: str = "echo", tenant: str = "acme", params: bytes = PARAMS) -> bytes | None:
        answer = results.find(Caller(Tenant(tenant), "somebody"), compute, params)
        return None if answer is None else answer.result.data

    return ask


def as_a_subscriber(world: World) -> Ask:
    live = LiveValues(
        engine=world.new_engine(),
        registry=world.registry,
        store=world.results,
        subscriptions=FakeSubscriptions([]),
        now_ms=world.clock,
    )

    def ask(*, compute: str = "echo", tenant: str = "acme", params: bytes = PARAMS) -> bytes | None:
        result = live.read(live.identify(Caller(Tenant(tenant), "somebody"), compute, msgspec.Raw(params)))
        return None if result is None else result.data

    return ask


CALLERS = {"socket": over_a_socket, "poll": by_polling, "live": as_a_subscriber}
KINDS = {"socket": JobKind.REQUEST, "poll": JobKind.REQUEST, "live": JobKind.LIVE}
VALUE = b'{"tenant":"acme","text":"a","number":0}'


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=CALLERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def ask(world: World, name: str) -> Ask:
    return CALLERS[name](world)


def the_key() -> Key:
    return make_key(Tenant("acme"), echo, EchoParams(text="a"))


async def fill(world: World) -> None:
    """Have the result computed, and everything of it done."""
    world.ask("fill", connection_id="filler=", params=PARAMS)
    await world.consume_sent()
    world.jobs.sent.clear()


def test_a_miss_parks_its_waiter_and_sends_the_job_of_the_lease(world: World, name: str, ask: Ask) -> None:
    assert ask() is None
    entry, job = world.model.entry(the_key()), world.jobs.sent[0].job
    request = Waiter("ann=", "1")
    assert entry.waiters == {
        "socket": {request: world.clock() + 30_000},
        "poll": {},
        "live": {live_waiter(lacks_value=True): NO_DEADLINE_MS},
    }.get(name)
    assert (job.kind, job.token, job.newer_than_ms) == (KINDS[name], entry.lease.token, 0)
    assert (job.compute, bytes(job.params)) == ("echo", PARAMS)
    assert job.waiter == (request if name == "socket" else None)


def test_only_a_request_that_waits_has_a_guardian(world: World, name: str, ask: Ask) -> None:
    ask()
    assert [each.job.kind for each in world.guardians] == ([JobKind.GUARDIAN] if name == "socket" else [])


async def test_a_hit_is_answered_and_sends_nothing(world: World, ask: Ask) -> None:
    await fill(world)
    assert ask() == VALUE
    assert world.jobs.sent == []


async def test_a_stale_result_is_answered_and_a_newer_one_is_computed_once(world: World, ask: Ask) -> None:
    await fill(world)
    world.clock.advance(15_000)
    assert ask() == VALUE
    assert len(world.jobs.sent) == 1
    assert world.jobs.sent[0].job.newer_than_ms == world.model.entry(the_key()).result.computed_at_ms + 1
    assert ask() == VALUE
    assert sum(each.job.kind is JobKind.REFRESH for each in world.jobs.sent) <= 1


async def test_a_result_past_its_stale_time_is_no_answer(world: World, ask: Ask) -> None:
    await fill(world)
    world.clock.advance(75_000)
    assert ask() is None
    assert [each.job.attempt for each in world.jobs.sent if not each.delay_seconds] == [1]


async def test_a_result_that_was_filled_between_the_look_and_the_parking_is_answered(
    world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(world)
    monkeypatch.setattr(type(world.results), "read", lambda _self, _key: None)
    assert ask() == VALUE
    assert world.jobs.sent == []


async def test_a_result_that_changes_at_each_look_is_given_up_and_nothing_is_sent(
    world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = itertools.count(1)

    def change(*_arguments: object, **_options: object) -> Parked:
        outdated = make_result(f"{next(tries)}".encode(), computed_at_ms=world.clock() - 100_000)
        return Parked(ParkOutcome.CHANGED, outdated)

    monkeypatch.setattr(type(world.results), "park", change)
    with pytest.raises(TransientError, match="changes faster"):
        ask()
    assert next(tries) == 4
    assert world.jobs.sent == []


def test_without_the_queue_nothing_is_left_behind_and_the_key_is_free_for_the_next_try(
    world: World, name: str, ask: Ask
) -> None:
    world.jobs.is_down = True
    with pytest.raises(QueueUnavailableError):
        ask()
    entry = world.model.entry(the_key())
    assert entry.lease is None
    # The subscribers' waiter is shared, so it stays.
    assert list(entry.waiters) == ([live_waiter(lacks_value=True)] if name == "live" else [])
    world.jobs.is_down = False
    assert ask() is None
    assert world.jobs.sent[0].job.token == entry.lease.token


def test_without_redis_and_the_queue_the_caller_is_to_retry(world: World, ask: Ask) -> None:
    world.jobs.is_down = world.model.is_down = True
    with pytest.raises(TransientError) as caught:
        ask()
    assert caught.value.retryable


def test_a_request_whose_parking_had_no_reply_is_computed_under_the_lease_it_may_have(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    park = type(world.results).park

    def park_and_lose_the_reply(*arguments: object, **options: object) -> Parked:
        park(*arguments, **options)
        raise CacheUnavailableError

    monkeypatch.setattr(type(world.results), "park", park_and_lose_the_reply)
    assert over_a_socket(world)() is None
    entry = world.model.entry(the_key())
    assert [each.job.token for each in world.jobs.sent] == [entry.lease.token] * 2
    assert world.jobs.sent[0].job.waiter in entry.waiters


async def test_no_tenant_gets_what_is_anothers(world: World, ask: Ask) -> None:
    await fill(world)
    assert ask(tenant="globex") is None
    assert world.jobs.sent[0].job.tenant == "globex"


@pytest.mark.parametrize(
    ("compute", "params", "code"),
    [
        ("unheard-of", b"{}", ErrorCode.UNKNOWN_COMPUTE),
        ("echo", b"[]", ErrorCode.INVALID_PARAMS),
        ("echo", b"null", ErrorCode.INVALID_PARAMS),
        ("echo", b"1", ErrorCode.INVALID_PARAMS),
        ("echo", b"{", ErrorCode.INVALID_PARAMS),
        ("echo", b"", ErrorCode.INVALID_PARAMS),
        ("echo", b'{"text":1}', ErrorCode.INVALID_PARAMS),
        ("echo", b'{"unknown":1}', ErrorCode.INVALID_PARAMS),
        ("echo", b'{"number":1e999}', ErrorCode.INVALID_PARAMS),
        ("echo", b'{"number":"1"}', ErrorCode.INVALID_PARAMS),
        ("echo", b'{"text":"\\ud800"}', ErrorCode.INVALID_PARAMS),
        ("echo", b'{"text":"\xff"}', ErrorCode.INVALID_PARAMS),
        ("echo", b'{"members":{"a":"b"}}', ErrorCode.INVALID_PARAMS),
        ("echo", b"[" * 100_000, ErrorCode.INVALID_PARAMS),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_unknown_compute_and_params_that_do_not_fit_are_refused(
    world: World, ask: Ask, compute: str, params: bytes, code: ErrorCode
) -> None:
    with pytest.raises(RequestError) as caught:
        ask(compute=compute, params=params)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    if code is ErrorCode.INVALID_PARAMS:
        assert echo.name in caught.value.message
    assert (world.model.entries, world.jobs.sent) == ({}, [])
