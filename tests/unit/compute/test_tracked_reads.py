"""A result depends on what its run read: a change is noticed during the run and after it, without a tag of the author.

`Shop` writes rows as an application does, and tells their changes as the stream's records do.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import msgspec
import pytest

from compute.watching import SETTLE_MS
from push import BlockingContext, ComputeFailedError, Context
from push.adapters.dynamodb.values import write_row
from push.cache.freshness import Freshness, judge
from push.cache.jobs import Job, JobKind
from push.computes import Tenant, compute
from push.keys import Key, make_key
from push.results import Result
from push.sources.table_tags import RowChange, tags_of_change
from push.testing.applications import MemorySources
from push.testing.tables import MemoryTable
from push.topics.live_results import parse_entry
from push.topics.topics import live_topic
from tests.builders.results import EchoParams
from tests.worlds.functions import World

ACME = Tenant("acme")


class Orders(MemoryTable):
    """A table whose index follows it when the test says so, as DynamoDB's global ones follow some time later."""

    KEYS: ClassVar[dict[str, Any]] = {
        "partition": "customer",
        "sort": "order",
        "indexes": {"by-status": ("status", "order")},
    }

    def __init__(self) -> None:
        super().__init__("Orders", **self.KEYS)
        self._index = MemoryTable("Orders", **self.KEYS)

    async def follow(self) -> None:
        self._index.put(*await self.scan())

    async def query(self, partition: Any, *, index: str | None = None, **options: Any) -> Any:
        table = super() if index is None else self._index
        return await table.query(partition, index=index, **options)


class Shop:
    """A table of orders, computes that read it, and a subscriber of each result."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.during: list[Callable[[], Awaitable[None]]] = []
        self.computes = 0
        names = ("total", "blocking_total", "open_orders", "missing")

        @compute(name="total", ttl=10.0, stale_ttl=60.0)
        async def total(params: EchoParams, context: Context) -> int:
            self.computes += 1
            rows = await context.table("Orders").query({"customer": params.text})
            if self.during:
                await self.during.pop()()
            return sum(row["price"] for row in rows)

        @compute(name="blocking_total", ttl=10.0, stale_ttl=60.0)
        def blocking_total(params: EchoParams, context: BlockingContext) -> int:
            return sum(row["price"] for row in context.table("Orders").query({"customer": params.text}))

        @compute(name="open_orders", ttl=10.0, stale_ttl=60.0)
        async def open_orders(params: EchoParams, context: Context) -> list[str]:
            rows = await context.table("Orders").query({"status": params.text}, index="by-status")
            return [row["order"] for row in rows]

        @compute(name="missing", ttl=10.0, stale_ttl=60.0, failure_ttl=10.0)
        async def missing(params: EchoParams, context: Context) -> int:
            if await context.table("Orders").get({"customer": params.text, "order": "1"}) is None:
                raise ComputeFailedError("There is no such order.")
            return 1

        sources = MemorySources({"Orders": self.orders})
        self.world = World(computes=(total, blocking_total, open_orders, missing), sources=sources)
        self.keys = {name: make_key(ACME, self.world.registry.find(name), EchoParams("ann")) for name in names}
        self.open_key: Key = make_key(ACME, self.world.registry.find("open_orders"), EchoParams("open"))
        self.world.topics.open(live_topic(self.open_key))

    async def write(self, customer: str, order: str, price: int = 1) -> None:
        """Write a row of an open order, and tell its change."""
        row = {"customer": customer, "order": order, "price": price, "status": "open"}
        self.orders.put(row)
        written = write_row(row)
        keys = {name: written[name] for name in ("customer", "order")}
        await self.world.tags.invalidate(
            None, tags_of_change(self.orders.tracked, RowChange("INSERT", keys, new=written))
        )

    async def ask(self, name: str, text: str = "ann") -> dict[str, Any]:
        self.world.ask(compute=name, params=json.dumps({"text": text}).encode())
        await self.world.consume_sent()
        return self.world.pushed()[-1]

    async def refresh_open_orders(self) -> None:
        raw = msgspec.Raw(b'{"text":"open"}')
        job = Job(JobKind.LIVE, ACME, "open_orders", raw, self.world.tokens(), newer_than_ms=self.world.clock())
        assert await self.world.consume(job) == []

    async def receive_looks(self) -> None:
        """Have the delayed jobs received when they are due."""
        looks = self.looks
        self.world.jobs.sent.clear()
        self.world.clock.now_ms = max(job.newer_than_ms for job, _ in looks)
        assert await self.world.consume(*(job for job, _ in looks)) == []

    def stored(self, key: Key) -> Result:
        result = self.world.model.entry(key).result
        assert result is not None
        return result

    @property
    def looks(self) -> list[tuple[Job, int]]:
        return [(each.job, each.delay_seconds) for each in self.world.jobs.sent if each.job.kind is JobKind.LIVE]

    @property
    def published(self) -> list[object]:
        return [json.loads(bytes(parse_entry(each.data).data)) for _, _, each in self.world.histories.appended]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("name", ["total", "blocking_total"])
async def test_a_write_to_what_was_read_makes_the_result_stale(shop: Shop, name: str) -> None:
    await shop.write("ann", "1", 5)
    shop.world.clock.advance(200)
    assert (await shop.ask(name))["data"] == 5
    await shop.write("ann", "2", 2)
    assert shop.stored(shop.keys[name]).is_invalidated


async def test_a_write_to_something_else_leaves_the_result_fresh(shop: Shop) -> None:
    await shop.ask("total")
    await shop.write("bob", "1", 5)
    assert not shop.stored(shop.keys["total"]).is_invalidated


async def test_a_failure_depends_on_what_its_run_read(shop: Shop) -> None:
    assert (await shop.ask("missing"))["type"] == "error"
    await shop.write("ann", "1", 5)
    assert shop.stored(shop.keys["missing"]).is_invalidated


async def test_a_write_after_the_first_read_of_a_first_run_is_noticed(shop: Shop) -> None:
    async def write() -> None:
        await shop.write("ann", "1", 5)

    shop.during = [write]
    assert (await shop.ask("total"))["data"] == 5
    assert shop.computes == 2
    assert not shop.stored(shop.keys["total"]).is_invalidated


async def test_a_write_just_before_the_run_costs_no_second_one(shop: Shop) -> None:
    await shop.write("ann", "1", 5)
    await shop.ask("total")
    assert shop.computes == 1


async def test_a_row_is_noticed_for_every_tenant_and_computed_for_each(shop: Shop) -> None:
    shop.world.ask(compute="total", params=b'{"text":"ann"}', tenant="globex")
    await shop.ask("total")
    globex = make_key(Tenant("globex"), shop.world.registry.find("total"), EchoParams("ann"))
    await shop.write("ann", "1", 5)
    assert shop.stored(globex).is_invalidated
    assert shop.stored(shop.keys["total"]).is_invalidated


async def test_without_redis_a_run_reads_as_ever(shop: Shop) -> None:
    shop.orders.put({"customer": "ann", "order": "1", "price": 5})
    shop.world.ask(compute="total", params=b'{"text":"ann"}')
    shop.world.model.is_down = True
    await shop.world.consume_sent()
    assert shop.world.pushed()[-1]["data"] == 5


async def test_an_index_read_long_after_a_change_is_believed(shop: Shop) -> None:
    await shop.write("ann", "1")
    await shop.orders.follow()
    shop.world.clock.advance(SETTLE_MS)
    await shop.refresh_open_orders()
    result = shop.stored(shop.open_key)
    assert result.fresh_until_ms - result.computed_at_ms > SETTLE_MS
    assert shop.looks == []


async def test_an_index_read_soon_after_a_change_is_fresh_until_it_must_have_followed(shop: Shop) -> None:
    await shop.write("ann", "1")
    told_at_ms = shop.world.clock()
    shop.world.clock.advance(500)
    await shop.refresh_open_orders()
    result = shop.stored(shop.open_key)
    assert result.fresh_until_ms == told_at_ms + SETTLE_MS
    shop.world.clock.advance(SETTLE_MS)
    assert judge(result, shop.world.clock()) is Freshness.STALE


async def test_subscribers_get_what_an_index_did_not_have_at_first(shop: Shop) -> None:
    await shop.write("ann", "1")
    await shop.refresh_open_orders()
    assert shop.published == [[]]
    await shop.orders.follow()
    await shop.receive_looks()
    assert shop.published == [[], ["1"]]
    assert shop.looks == []


async def test_subscribers_get_nothing_new_from_a_look_at_an_index_that_had_followed(shop: Shop) -> None:
    await shop.write("ann", "1")
    await shop.orders.follow()
    await shop.refresh_open_orders()
    await shop.receive_looks()
    assert shop.published == [["1"]]


async def test_a_key_that_changes_often_has_one_look_to_come(shop: Shop) -> None:
    for number in range(10):
        await shop.write("ann", str(number))
        await shop.refresh_open_orders()
        shop.world.clock.advance(100)
    assert len(shop.looks) == 1
    await shop.orders.follow()
    await shop.receive_looks()
    assert len(shop.looks) == 1, "the last changes are more recent than the look"
    await shop.receive_looks()
    assert shop.looks == []


async def test_a_result_without_subscribers_has_no_look(shop: Shop) -> None:
    shop.world.topics.flush()
    await shop.write("ann", "1")
    await shop.ask("open_orders", "open")
    assert shop.looks == []


async def test_subscribers_are_not_left_with_what_a_request_read_from_an_index_that_lags(shop: Shop) -> None:
    shop.world.topics.flush()
    await shop.write("ann", "1")
    await shop.ask("open_orders", "open")
    await shop.refresh_open_orders()
    assert shop.published == [[]]
    await shop.orders.follow()
    await shop.receive_looks()
    assert shop.published == [[], ["1"]]


async def test_the_subscribers_of_a_result_are_linked_to_what_its_run_read(shop: Shop) -> None:
    await shop.refresh_open_orders()
    assert shop.world.links.by_tag.keys() == {"@Orders?status=open", "@Orders?"}
