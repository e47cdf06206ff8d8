"""Who may have a result, by every way to ask for one: rules are asked first, and principals share nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from push.callers import Caller, JsonClaims
from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.protocol.messages import Request
from request.asking.client_requests import ClientRequests
from request.asking.engine import Answer
from request.asking.live_values import LiveValues
from request.asking.polled_results import PolledResults
from tests.builders.results import EchoParams, echo, own
from tests.worlds.functions import World
from tests.worlds.topics import FakeSubscriptions

Ask = Callable[[Caller, str], bytes | None]


def may_ask(caller: Caller, params: EchoParams) -> bool:
    return caller.claims["text"] == params.text


guarded = replace(echo, name="guarded", authorize=may_ask)
ADA = Caller(Tenant("acme"), "ada", "ann=", claims=JsonClaims('{"text":"a"}'))
BOB = Caller(Tenant("acme"), "bob", "bob=", claims=JsonClaims('{"text":"b"}'))
PARAMS = b'{"text":"a"}'


def over_a_socket(world: World) -> Ask:
    requests = ClientRequests(world.new_engine(), world.clock)

    def ask(caller: Caller, compute: str) -> bytes | None:
        answer = requests.answer(Request("1", compute, msgspec.Raw(PARAMS)), caller)
        return answer.result.data if isinstance(answer, Answer) else None

    return ask


def by_polling(world: World) -> Ask:
    results = PolledResults(world.new_engine(), world.clock, lambda _seconds: None)

    def ask(caller: Caller, compute: str) -> bytes | None:
        answer = results.find(caller, compute, PARAMS)
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

    def ask(caller: Caller, compute: str) -> bytes | None:
        result = live.read(live.identify(caller, compute, msgspec.Raw(PARAMS)))
        return None if result is None else result.data

    return ask


@pytest.fixture
def world() -> World:
    return World([own, guarded, echo])


@pytest.fixture(params=[over_a_socket, by_polling, as_a_subscriber])
def ask(request: pytest.FixtureRequest, world: World) -> Ask:
    made: Ask = request.param(world)
    return made


def refusal(ask: Ask, caller: Caller) -> str:
    with pytest.raises(RequestError) as refused:
        ask(caller, "guarded")
    assert refused.value.code is ErrorCode.FORBIDDEN
    return refused.value.message


async def test_a_principal_gets_its_own_result_and_no_others(world: World, ask: Ask) -> None:
    assert ask(ADA, "own") is None
    assert await world.consume_sent() == []
    assert ask(ADA, "own") == b'{"principal":"ada","text":"a"}'
    assert ask(BOB, "own") is None
    (sent,) = [each.job for each in world.jobs.sent if not each.delay_seconds]
    assert sent.principal == "bob"


async def test_jobs_of_the_other_scopes_name_no_principal(world: World, ask: Ask) -> None:
    ask(ADA, "guarded")
    ask(ADA, "echo")
    assert {each.job.principal for each in world.jobs.sent} == {""}


async def test_a_refusal_is_the_same_whether_or_not_there_is_a_result(world: World, ask: Ask) -> None:
    cold = refusal(ask, BOB)
    assert world.jobs.sent == []
    ask(ADA, "guarded")
    while_it_is_computed = refusal(ask, BOB)
    await world.consume_sent()
    assert ask(ADA, "guarded") is not None
    assert refusal(ask, BOB) == while_it_is_computed == cold


async def test_who_may_ask_is_asked_at_every_hit(world: World, ask: Ask) -> None:
    ask(ADA, "guarded")
    await world.consume_sent()
    assert ask(ADA, "guarded") is not None
    assert refusal(ask, msgspec.structs.replace(ADA, claims=JsonClaims("{}")))


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_two_principals_have_one_key(one: str, other: str) -> None:
    engine = World([own]).new_engine()
    keys = [engine.identify(Caller(Tenant("acme"), name), "own", PARAMS).storage for name in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)
