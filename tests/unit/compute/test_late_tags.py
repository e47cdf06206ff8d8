"""Tags that only a run names lead to the subscribers of its result, from the first result on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from push.cache.jobs import LEASE_TERM_MS, Job, JobKind
from push.computes import Computed, Tenant, compute
from push.errors import TransientError
from push.keys import Key, make_key
from push.sources.contexts import Context
from push.topics.live_results import parse_entry
from push.topics.subscriptions import LINKED_SECONDS, subscribed_until
from push.topics.topics import live_topic
from tests.builders.results import EchoParams
from tests.worlds.functions import World

ACME = Tenant("acme")


class Rates:
    """A compute that names tags in every way, and the subscribers of one of its results."""

    def __init__(self) -> None:
        self.value = "first"
        self.runs = 0
        self.more: tuple[str, ...] = ()
        self.during: list[Callable[[], Awaitable[None]]] = []

        @compute(name="rates", ttl=10.0, stale_ttl=60.0, tags=("early",))
        async def rates(params: EchoParams, context: Context) -> object:
            self.runs += 1
            context.depends_on("late")
            value = self.value
            if self.during:
                await self.during.pop()()
            return Computed(value, tags=("returned", *self.more))

        self.world = World(computes=(rates,))
        self.key: Key = make_key(ACME, self.world.registry.find("rates"), EchoParams("x"))
        self.world.topics.open(live_topic(self.key))

    def job(self) -> Job:
        raw = msgspec.Raw(b'{"text":"x"}')
        return Job(JobKind.LIVE, ACME, "rates", raw, self.world.tokens(), newer_than_ms=self.world.clock())

    async def compute(self, value: str) -> int:
        """Compute a new value for the subscribers; return how often links were written for it."""
        before, self.value = self.world.links.writes, value
        self.world.clock.advance(10)
        assert await self.world.consume(self.job()) == []
        assert self.values[-1] == value
        return self.world.links.writes - before

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


async def test_what_was_computed_again_after_a_change_is_told_without_a_third_run(rates: Rates) -> None:
    async def change() -> None:
        rates.value = "third"
        await rates.world.tags.invalidate(ACME, ["late"])

    await rates.compute("first")
    rates.during = [change]
    rates.value = "second"
    rates.world.clock.advance(10)
    assert await rates.world.consume(rates.job()) == []
    assert (rates.values, rates.runs, rates.world.jobs.sent) == (["first", "third"], 3, [])


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


async def test_links_that_are_there_are_not_written_again(rates: Rates) -> None:
    assert [await rates.compute(value) for value in ("first", "second", "third")] == [1, 0, 0]


async def test_links_are_written_again_before_they_could_end_before_a_subscription(rates: Rates) -> None:
    await rates.compute("first")
    linked = rates.world.links.by_tag["late"][rates.key].expires_at
    rates.world.clock.advance((LINKED_SECONDS - 1) * 1000)
    assert await rates.compute("second") == 0
    assert linked >= subscribed_until(rates.world.clock())
    rates.world.clock.advance(1000)
    assert await rates.compute("third") == 1


async def test_other_tags_are_linked(rates: Rates) -> None:
    await rates.compute("first")
    rates.more = ("more",)
    assert await rates.compute("second") == 1
    assert rates.world.links.by_tag.keys() == {"late", "returned", "more"}
    assert await rates.compute("third") == 0


async def test_links_are_written_again_after_a_change_forgot_their_mark(rates: Rates) -> None:
    await rates.compute("first")
    await rates.world.marks.forget(rates.key)
    assert await rates.compute("second") == 1


async def test_a_change_that_forgets_the_mark_of_links_that_are_being_written_is_heeded(rates: Rates) -> None:
    def forget() -> None:
        rates.world.model.entry(rates.key).links = ""

    rates.world.links.on_add = forget
    await rates.compute("first")
    assert await rates.compute("second") == 1


async def test_a_change_before_the_links_were_looked_at_is_computed_again(rates: Rates) -> None:
    """Another worker, whose lease had ended, may have written the links after the change looked for them."""
    await rates.compute("first")

    def change() -> None:
        rates.world.marks.on_read = lambda: None
        rates.value = "third"
        rates.world.clock.advance(10)
        rates.world.model.invalidate(rates.key)

    rates.world.marks.on_read = change
    rates.value = "second"
    rates.world.clock.advance(10)
    assert await rates.world.consume(rates.job()) == []
    assert rates.values == ["first"]
    rates.world.clock.advance(10)
    await rates.world.consume_sent()
    assert rates.values == ["first", "third"]


async def test_links_whose_writing_failed_are_written_by_the_next_worker(rates: Rates) -> None:
    def fail() -> None:
        rates.world.links.on_add = lambda: None
        raise TransientError("The table is down.")

    rates.world.links.on_add = fail
    job = rates.job()
    assert await rates.world.consume(job) == [job]
    rates.world.clock.advance(LEASE_TERM_MS)
    await rates.world.consume(job)
    assert rates.world.links.by_tag.keys() == {"late", "returned"}
