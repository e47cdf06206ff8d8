"""Rows change at any moment: once all was told, no result is fresh that its table would now contradict.

A state machine over the fakes. Rows are inserted, altered, moved between partitions of an index and removed, also
between a run's read and its fill. The shards of the stream tell that in batches, which may fail in part and come again,
minutes later, and a shard that was split tells all before its children do. A global index follows the table some time
later, but within `SETTLE_MS` of the telling. Jobs are received in any order and twice. `make fuzz` runs it for longer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from compute.watching import SETTLE_MS
from push import Context
from push.adapters.dynamodb.values import write_row
from push.cache.freshness import Freshness, judge
from push.cache.jobs import Job, JobKind, Outgoing
from push.computes import AnyCompute, Tenant, compute
from push.keys import make_key
from push.sources.table_tags import RowChange, tags_of_change
from push.testing.applications import MemorySources
from push.testing.tables import MemoryTable
from push.topics.live_results import parse_entry
from push.topics.topics import live_topic
from tests.worlds.functions import World

pytestmark = pytest.mark.slow

TENANT = Tenant("acme")
CUSTOMERS, ORDERS, STATUSES = ("ann", "bob"), ("2026-11-28", "2026-11-29", "2026-12-01"), ("open", "sent")
KEYS: dict[str, Any] = {"partition": "customer", "sort": "order", "indexes": {"by-status": ("status", "order")}}
VIEWS = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE", "KEYS_ONLY")
MOST_ROUNDS = 50


class LaggingTable(MemoryTable):
    """A table whose index shows the rows of an earlier moment."""

    def __init__(self) -> None:
        super().__init__("Orders", **KEYS)
        self._index = MemoryTable("Orders", **KEYS)

    async def follow(self) -> None:
        self._index = MemoryTable("Orders", **KEYS)
        self._index.put(*await self.scan())

    async def query(self, partition: Any, *, index: str | None = None, **options: Any) -> Any:
        table = super() if index is None else self._index
        return await table.query(partition, index=index, **options)


@dataclass
class Shard:
    """Records that wait, oldest first; those of the parent come before them."""

    parent: Shard | None = None
    records: list[RowChange] = field(default_factory=list)

    @property
    def lineage(self) -> list[Shard]:
        """The shard after those that it was split from."""
        return [*([] if self.parent is None else self.parent.lineage), self]

    @property
    def readable(self) -> Shard | None:
        """The first of its lineage with a record that waits."""
        return next((shard for shard in self.lineage if shard.records), None)


def make_computes(machine: ChangingRows) -> list[AnyCompute]:
    """Return computes that read in different ways; each counts as read once its rows are there."""

    @compute(ttl=10.0, stale_ttl=60.0)
    async def one_order(context: Context, text: str) -> Any:
        row = await context.table("Orders").get({"customer": text, "order": ORDERS[0]})
        await machine.change_while_computing()
        return row

    @compute(ttl=10.0, stale_ttl=60.0)
    async def november(context: Context, text: str) -> Any:
        rows = await context.table("Orders").query({"customer": text}, begins_with={"order": "2026-11"})
        await machine.change_while_computing()
        return rows

    @compute(ttl=10.0, stale_ttl=60.0)
    async def newest_open(context: Context, text: str) -> Any:
        orders = context.table("Orders")
        found = await orders.query({"status": "open"}, index="by-status", newest_first=True, limit=1)
        await machine.change_while_computing()
        return {"for": text, "found": found}

    return [one_order, november, newest_open]


class ChangingRows(RuleBasedStateMachine):
    """Three computes for each of two customers; all have subscribers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = LaggingTable()
        self.shards = {name: Shard() for name in CUSTOMERS}
        self.view = VIEWS[0]
        self.told_at_ms: int | None = None
        """When the first record was told whose row the index may lack."""
        self.planned: list[dict[str, Any]] = []
        computes = make_computes(self)
        self.world = World(computes=computes, sources=MemorySources({"Orders": self.table}))
        self.questions = [(each, name) for each in computes for name in CUSTOMERS]
        for each, name in self.questions:
            key = make_key(TENANT, each, each.parse_params(self.params(name)))
            self.world.topics.open(live_topic(key))
            self.send_live(each.name, msgspec.Raw(self.params(name)))
        self.run(self.receive_all())

    def run(self, coroutine: Coroutine[Any, Any, object]) -> None:
        asyncio.run(coroutine)

    @staticmethod
    def params(customer: str) -> bytes:
        return json.dumps({"text": customer}).encode()

    # ---------------------------------------------------------------- what happens

    @rule(view=st.sampled_from(VIEWS))
    def make_the_stream_tell(self, view: str) -> None:
        self.view = view

    @rule(customer=st.sampled_from(CUSTOMERS), order=st.sampled_from(ORDERS), status=st.sampled_from((*STATUSES, None)))
    def write(self, customer: str, order: str, status: str | None) -> None:
        self.run(self.write_row(customer, order, status))

    @rule(customer=st.sampled_from(CUSTOMERS), order=st.sampled_from(ORDERS), status=st.sampled_from((*STATUSES, None)))
    def write_during_the_next_compute(self, customer: str, order: str, status: str | None) -> None:
        self.planned.append({"customer": customer, "order": order, "status": status})

    @precondition(lambda self: any(shard.readable for shard in self.shards.values()))
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        shard = data.draw(st.sampled_from([found for each in self.shards.values() if (found := each.readable)]))
        size = data.draw(st.integers(1, len(shard.records)))
        done = data.draw(st.integers(0, size), label="records before one that failed")
        self.run(self.tell_records(shard, size, done))

    @rule(customer=st.sampled_from(CUSTOMERS))
    def split_a_shard(self, customer: str) -> None:
        self.shards[customer] = Shard(self.shards[customer])

    @rule()
    def follow(self) -> None:
        self.run(self.let_the_index_follow())

    @rule(question=st.integers(0, 5))
    def ask(self, question: int) -> None:
        declared, name = self.questions[question]
        self.world.ask(compute=declared.name, params=self.params(name))

    @precondition(lambda self: self.world.jobs.sent)
    @rule(data=st.data(), is_received_twice=st.booleans())
    def receive_a_job(self, data: st.DataObject, *, is_received_twice: bool) -> None:
        index = data.draw(st.integers(0, len(self.world.jobs.sent) - 1))
        outgoing = self.world.jobs.sent[index]
        if outgoing.delay_seconds:
            # A look comes no earlier than it was meant to.
            self.run(self.wait_until(max(outgoing.job.newer_than_ms, self.world.clock())))
        if not is_received_twice:
            del self.world.jobs.sent[index]
        self.run(self.receive(outgoing.job))

    @rule(milliseconds=st.sampled_from((1, 400, 1001, 3001, 11_000, 600_000)))
    def wait(self, milliseconds: int) -> None:
        self.run(self.wait_until(self.world.clock() + milliseconds))

    @rule()
    def settle(self) -> None:
        """Have everything told and done; then nothing fresh is wrong, and subscribers have the newest values."""
        self.run(self.check_when_all_is_done())

    def teardown(self) -> None:
        self.settle()

    # ---------------------------------------------------------------- how

    async def write_row(self, customer: str, order: str, status: str | None) -> None:
        key = {"customer": customer, "order": order}
        old = await self.table.get(key)
        new = None if status is None else {**key, "status": status}
        if old == new:
            return
        if new is None:
            self.table.delete(key)
        else:
            self.table.put(new)
        event = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        images = {
            "old": write_row(old) if old is not None and "OLD" in self.view else None,
            "new": write_row(new) if new is not None and "NEW" in self.view else None,
        }
        self.shards[customer].records.append(RowChange(event, write_row(key), **images))

    async def change_while_computing(self) -> None:
        """Write what was planned, and tell it at once."""
        while self.planned:
            await self.write_row(**self.planned.pop())
            await self.tell_all()

    async def tell_all(self) -> None:
        for last in self.shards.values():
            while shard := last.readable:
                await self.tell_records(shard, len(shard.records), len(shard.records))

    async def tell_records(self, shard: Shard, size: int, done: int) -> None:
        """Do as the function of changes: raise the tags, then have live results computed; then forget what is done."""
        raised = {tag for record in shard.records[:size] for tag in tags_of_change(self.table.tracked, record)}
        self.told_at_ms = self.world.clock() if self.told_at_ms is None else self.told_at_ms
        del shard.records[:done]
        await self.world.tags.invalidate(None, sorted(raised))
        found = {live.key: live for tag in raised for live in self.world.links.by_tag.get(tag, {}).values()}
        for live in found.values():
            self.send_live(live.key.compute, live.params)

    def send_live(self, name: str, params: msgspec.Raw) -> None:
        token = self.world.tokens()
        job = Job(JobKind.LIVE, TENANT, name, params, token, newer_than_ms=self.world.clock())
        self.world.jobs.send([Outgoing(job)])

    async def let_the_index_follow(self) -> None:
        await self.table.follow()
        self.told_at_ms = None

    async def wait_until(self, now_ms: int) -> None:
        if self.told_at_ms is not None and now_ms >= self.told_at_ms + SETTLE_MS:
            await self.let_the_index_follow()
        self.world.clock.now_ms = now_ms

    async def receive(self, job: Job) -> None:
        for again in await self.world.consume(job):
            self.world.jobs.send([Outgoing(again)])

    async def receive_all(self) -> None:
        for _ in range(MOST_ROUNDS):
            sent, self.world.jobs.sent = self.world.jobs.sent, []
            if not sent:
                return
            for outgoing in sent:
                due_ms = self.world.clock() + outgoing.delay_seconds * 1000
                await self.wait_until(due_ms)
                await self.receive(outgoing.job)
        raise AssertionError("Jobs follow jobs without an end.")

    async def check_when_all_is_done(self) -> None:
        self.planned.clear()
        await self.tell_all()
        await self.receive_all()
        await self.wait_until(self.world.clock() + SETTLE_MS)
        await self.receive_all()
        newest = {key: parse_entry(each.data) for key, _, each in self.world.histories.appended}
        for declared, name in self.questions:
            params = declared.parse_params(self.params(name))
            key = make_key(TENANT, declared, params)
            truth = msgspec.json.encode(await self.truth(declared, name))
            assert bytes(newest[key].data) == truth, f"subscribers of {declared.name}"
            stored = self.world.model.entry(key).result
            if stored is not None and judge(stored, self.world.clock()) is Freshness.FRESH:
                assert stored.data == truth, f"a fresh result of {declared.name}"

    async def truth(self, declared: AnyCompute, name: str) -> Any:
        sources = MemorySources({"Orders": self.table})
        return await declared.invoke(declared.parse_params(self.params(name)), Context(tenant=TENANT, sources=sources))


TestChangingRows = ChangingRows.TestCase
