"""Tags that only a run names lead to the subscribers of its result, from the first result on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from push.cache.jobs import Job, JobKind
from push.computes import Computed, Tenant, compute
from push.errors import TransientError
from push.keys import Key, make_key
from push.sources.contexts import Context
from push.topics.live_results import parse_entry
from push.topics.topics import live_topic
from tests.builders.results import EchoParams
from tests.worlds.functions import World

ACME = Tenant("acme")


class Rates:
    """A compute that names tags in every way, and the subscribers of one of its results."""

    def __init__(self) -> None:
        self.value = "first"
        self.runs = 0
        self.during: list[Callable[[], Awaitable[None]]] = []

        @compute(name="rates", ttl=10.0, stale_ttl=60.0, tags=("early",))
        async def rates(params: EchoParams, context: Context) -> object:
            self.runs += 1
            context.depends_on("late")
            value = self.value
            if self.during:
                await self.during.pop()()
            return Computed(value, tags=("returned",))

        self.world = World(computes=(rates,))
        self.key: Key = make_key(ACME, self.world.registry.find("rates"), EchoParams("x"))
        self.world.topics.open(live_topic(self.key))

    def job(self) -> Job:
        raw = msgspec.Raw(b'{"text":"x"}')
        return Job(JobKind.LIVE, ACME, "rates", raw, self.world.tokens(), newer_than_ms=self.world.clock())

    @property
    def values(self) -> list[object]:
        return [json.loads(bytes(parse_entry(each.data).data)) for _, _, each in self.world.histories.appended]


@pytest.fixture
def rates() -> Rates:
    return Rates()


async def test_the_first_result_links_the_tags_that_its_run_named(rates: Rates) -> None:
    assert await rates.world.consume(rates.job()) == []
    assert rates.world.links.by_tag.keys() == {"late", "returned"}
    live = rates.world.links.by_tag["late"][rates.key]
    assert (live.tenant, bytes(live.params), live.principal) == (ACME, b'{"text":"x"}', "")
    assert live.expires_at > rates.world.clock() // 1000 + 7200
    assert rates.values == ["first"]


async def test_a_result_that_nobody_subscribes_to_links_nothing(rates: Rates) -> None:
    rates.world.ask(compute="rates", params=b'{"text":"alone"}')
    await rates.world.consume_sent()
    assert rates.world.links.by_tag == {}


async def test_subscribers_miss_no_change_between_the_fill_and_the_link(rates: Rates) -> None:
    def change() -> None:
        rates.world.links.on_add = lambda: None
        rates.value = "second"
        rates.world.clock.advance(10)
        rates.world.model.invalidate(rates.key)

    rates.world.links.on_add = change
    assert await rates.world.consume(rates.job()) == []
    assert rates.values == []
    rates.world.clock.advance(10)
    await rates.world.consume_sent()
    assert rates.values == ["second"]
    assert not rates.world.model.entry(rates.key).waiters


@pytest.mark.parametrize("tag", ["early", "late", "returned"])
async def test_a_change_during_a_run_is_noticed_if_an_earlier_result_had_the_tag(rates: Rates, tag: str) -> None:
    async def change() -> None:
        rates.value = "third"
        await rates.world.tags.invalidate(ACME, [tag])

    await rates.world.consume(rates.job())
    rates.value = "second"
    rates.during = [change]
    rates.world.clock.advance(10)
    await rates.world.consume(rates.job())
    await rates.world.consume_sent()
    assert rates.values[-1] == "third"
    stored = rates.world.model.entry(rates.key).result
    assert stored is not None
    assert (stored.data, stored.is_invalidated) == (b'"third"', False)


@pytest.mark.parametrize("tag", ["early", "late", "returned"])
async def test_a_change_during_the_first_run_is_noticed(rates: Rates, tag: str) -> None:
    async def change() -> None:
        rates.value = "second"
        await rates.world.tags.invalidate(ACME, [tag])

    rates.during = [change]
    await rates.world.consume(rates.job())
    assert rates.values == ["second"]


async def test_a_change_before_the_first_run_costs_no_second_one(rates: Rates) -> None:
    await rates.world.tags.invalidate(ACME, ["late"])
    rates.world.clock.advance(1000)
    await rates.world.consume(rates.job())
    assert rates.runs == 1


async def test_subscribers_keep_waiting_while_the_table_is_away(rates: Rates) -> None:
    def fail() -> None:
        raise TransientError("The table is down.")

    rates.world.links.on_add = fail
    assert await rates.world.consume(job := rates.job()) == [job]
    assert rates.world.model.entry(rates.key).waiters
