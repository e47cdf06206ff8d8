"""Tracked reads: tags are recorded before the read, and are never too many and never missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from push import ComputeFailedError, Context
from push.computes import Computed, Tenant
from push.sources.outcomes import MAX_TAGS, complete
from push.sources.table_tags import TrackedTable, tags_of_query, tags_of_row
from push.sources.tracking import MAX_TRACKED_TAGS, NO_WATCH, TrackedReads
from push.testing.applications import MemorySources
from push.testing.buckets import MemoryBucket
from push.testing.tables import MemoryTable

ORDERS = TrackedTable("Orders", {"by-status": ("status", "placed_at")})


@dataclass
class Watch:
    """`TagWatch` that notes what it is told, and how often the table had been read by then."""

    table: ReadOften
    told: list[tuple[tuple[str, ...], bool, int]] = field(default_factory=list)

    async def begin(self, tags: Iterable[str], *, may_lag: bool = False) -> None:
        self.told.append((tuple(tags), may_lag, self.table.reads))


class ReadOften(MemoryTable):
    """A table that counts its reads."""

    reads = 0

    async def get(self, key: Any) -> Any:
        self.reads += 1
        return await super().get(key)

    async def query(self, *arguments: Any, **options: Any) -> Any:
        self.reads += 1
        return await super().query(*arguments, **options)


@pytest.fixture
def table() -> ReadOften:
    return ReadOften("Orders", partition="customer", sort="order", indexes={"by-status": ("status", "order")})


@pytest.fixture
def watch(table: ReadOften) -> Watch:
    return Watch(table)


@pytest.fixture
def context(table: ReadOften, watch: Watch) -> Context:
    sources = MemorySources({"Orders": table}, {"Files": MemoryBucket("Files")})
    return Context(tenant=Tenant("shop"), sources=sources, watch=watch)


def key(number: int, customer: str = "ann") -> dict[str, Any]:
    return {"customer": customer, "order": number}


async def test_a_watch_begins_before_the_read(context: Context, watch: Watch) -> None:
    await context.table("Orders").get(key(1))
    assert watch.told == [(("@Orders#customer=ann&order=N=1",), False, 0)]


async def test_only_a_read_by_an_index_may_lag(context: Context, watch: Watch) -> None:
    await context.table("Orders").query({"customer": "ann"})
    await context.table("Orders").query({"status": "open"}, index="by-status")
    assert [(tags[0], may_lag) for tags, may_lag, _ in watch.told] == [
        ("@Orders?customer=ann", False),
        ("@Orders?status=open", True),
    ]


async def test_every_kind_of_read_records_its_tags(context: Context) -> None:
    orders, files = context.table("Orders"), context.bucket("Files")
    await orders.get_many([key(1), key(2)])
    await files.get_json("a.json")
    await files.get_many(["b/1", "b/2"])
    await files.list("c/")
    await files.get("d")
    assert context.reads.tags == (
        "@Orders#customer=ann&order=N=1",
        "@Orders#customer=ann&order=N=2",
        "@s3:Files/a.json",
        "@s3:Files/b/1",
        "@s3:Files/b/2",
        "@s3:Files/c/",
        "@s3:Files/d",
    )
    await orders.scan()
    assert context.reads.tags[-1] == "@Orders"


async def test_a_read_that_a_recorded_tag_covers_records_none(context: Context, watch: Watch) -> None:
    await context.table("Orders").query({"customer": "ann"})
    await context.table("Orders").get(key(1))
    assert context.reads.tags == ("@Orders?customer=ann",)
    assert watch.told[-1][0] == ("@Orders?customer=ann",), "the read waits until the tag that covers it is watched"


async def test_too_many_rows_of_a_partition_depend_on_the_partition() -> None:
    reads = TrackedReads(NO_WATCH)
    await reads.begin([tag for number in range(300) for tag in tags_of_row(ORDERS, key(number))])
    assert reads.tags == ("@Orders?customer=ann",)


async def test_too_many_rows_of_many_partitions_depend_on_the_table() -> None:
    reads = TrackedReads(NO_WATCH)
    await reads.begin([tag for number in range(300) for tag in tags_of_row(ORDERS, key(number, f"{number}"))])
    assert reads.tags == ("@Orders",)


async def test_too_many_narrow_queries_depend_on_their_partition() -> None:
    reads = TrackedReads(NO_WATCH)
    for year in range(2000, 2200):
        prefix = {"placed_at": str(year)}
        await reads.begin(tags_of_query(ORDERS, {"status": "open"}, index="by-status", begins_with=prefix))
    assert len(reads.tags) <= MAX_TRACKED_TAGS
    assert reads.tags[-1] == "@Orders?status=open"


async def test_too_many_rows_one_after_another_depend_on_their_partition() -> None:
    reads = TrackedReads(NO_WATCH)
    for number in range(300):
        await reads.begin(tags_of_row(ORDERS, key(number)))
    assert len(reads.tags) <= MAX_TRACKED_TAGS
    assert reads.tags[-1] == "@Orders?customer=ann"


async def test_one_read_after_another_stays_within_the_bound_of_tags() -> None:
    reads = TrackedReads(NO_WATCH)
    for number in range(300):
        for name in ("One", "Two"):
            await reads.begin(tags_of_row(TrackedTable(name), key(number, f"{number}")))
    assert len(reads.tags) <= MAX_TRACKED_TAGS + 2
    assert {"@One", "@Two"} <= set(reads.tags)


async def test_a_result_whose_author_names_many_tags_depends_on_whole_sources() -> None:
    reads = TrackedReads(NO_WATCH)
    await reads.begin([tag for number in range(80) for tag in tags_of_row(ORDERS, key(number))])
    named = [f"tag {number}" for number in range(MAX_TAGS - 1)]
    assert complete(1, named, (), reads).tags == (*named, "@Orders")


@pytest.mark.parametrize("own", [(), ("@rates",)])
def test_a_tag_of_an_author_has_another_first_character(own: tuple[str, ...], context: Context) -> None:
    with pytest.raises(ComputeFailedError, match="The tag '@rates' begins with `@`"):
        complete(Computed(1, tags=("@rates",)), own, (), context.reads)
    with pytest.raises(ComputeFailedError, match="The tag '@rates' begins with `@`"):
        context.depends_on("@rates")
