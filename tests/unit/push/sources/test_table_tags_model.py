"""A read whose rows a write alters shares a tag with the write: any table, any read, any write, any kind of stream."""

from __future__ import annotations

import asyncio
import copy
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from push.adapters.dynamodb.values import write_row
from push.sources.source_tags import SourceTag
from push.sources.table_tags import RowChange, tags_of_change, tags_of_query, tags_of_row, tags_of_table
from push.testing import MemoryTable

ATTRIBUTES = ("p", "s", "a", "b")
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "S": st.one_of(
        st.sampled_from(("2026", "2026-11", "2026-11-29", "2026-11-30", "2026-12-01", "2025-11-29T10")),
        st.text("2é-&=", min_size=1, max_size=12),
    ),
    "N": st.sampled_from((0, -0.0, 1, Decimal("1.0"), 100, Decimal("1E+2"), 0.5, -7)),
    "B": st.binary(min_size=1, max_size=3),
}
VIEWS = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY")

Rows = Callable[[MemoryTable], Awaitable[Any]]


@dataclass(frozen=True)
class Read:
    """A read, and its tags."""

    run: Rows
    tags: list[SourceTag]


@dataclass(frozen=True)
class Case:
    """A table with rows, one write to it, and one read of it."""

    table: MemoryTable
    keys: tuple[str, ...]
    write: dict[str, Any]
    is_removal: bool
    view: str
    read: Read


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a table, whose attributes each have one type, with rows, a read and a write."""
    types = {name: draw(st.sampled_from(sorted(VALUES)), label=f"type of {name}") for name in ATTRIBUTES}
    values = {name: VALUES[kind] for name, kind in types.items()}
    keys = ("p", "s") if draw(st.booleans(), label="has a sort key") else ("p",)
    index = st.lists(st.sampled_from(ATTRIBUTES), min_size=1, max_size=2, unique=True)
    indexes = dict(enumerate(draw(st.lists(index, max_size=3), label="indexes")))
    named = {f"by-{number}": names for number, names in indexes.items()}
    table = MemoryTable("T", partition="p", sort=keys[1] if len(keys) > 1 else None, indexes=named)
    rows = st.fixed_dictionaries(
        {name: values[name] for name in keys},
        optional={name: values[name] for name in ATTRIBUTES if name not in keys} | {"note": st.integers(0, 1)},
    )
    stored = draw(st.lists(rows, max_size=6), label="rows")
    table.put(*stored)
    is_removal = bool(stored) and draw(st.booleans(), label="is a removal")
    write = draw(st.sampled_from(stored) if is_removal else rows, label="write")
    if stored and not is_removal and draw(st.booleans(), label="replaces a row"):
        write |= {name: value for name, value in draw(st.sampled_from(stored)).items() if name in keys}
    read = draw(reads(table, values, {None: keys, **named}))
    return Case(table, keys, write, is_removal, draw(st.sampled_from(VIEWS)), read)


@st.composite
def reads(draw: st.DrawFn, table: MemoryTable, values: Mapping[str, Any], places: Mapping[Any, Any]) -> Read:
    """Draw a read of a table whose own key and indexes have these attributes."""
    kind = draw(st.sampled_from(("get", "get_many", "query", "query", "query", "scan")), label="kind of read")
    key = st.fixed_dictionaries({name: values[name] for name in places[None]})
    if kind == "scan":
        return Read(lambda table: table.scan(), tags_of_table(table.tracked))
    if kind == "get":
        wanted = draw(key)
        return Read(lambda table: table.get(wanted), tags_of_row(table.tracked, wanted))
    if kind == "get_many":
        many = draw(st.lists(key, max_size=3))
        return Read(
            lambda table: table.get_many(many), [tag for one in many for tag in tags_of_row(table.tracked, one)]
        )
    index = draw(st.sampled_from(list(places)), label="index")
    partition, condition = draw(conditions(values, *places[index]))
    options = {"newest_first": draw(st.booleans()), "limit": draw(st.none() | st.integers(1, 3))}
    return Read(
        lambda table: table.query(partition, index=index, **condition, **options),
        tags_of_query(table.tracked, partition, index=index, **condition),
    )


@st.composite
def conditions(
    draw: st.DrawFn, values: Mapping[str, Any], partition: str, sort: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw the partition of a query, which may name the sort key too, and another condition on the sort key."""
    selected = {partition: draw(values[partition])}
    if sort is None:
        return selected, {}
    low, high = draw(values[sort]), draw(values[sort])
    kinds = ("none", "equal", "between") if isinstance(low, int | float | Decimal) else ("equal", "between", "begins")
    match draw(st.sampled_from(kinds), label="condition"):
        case "equal":
            return selected | {sort: low}, {}
        case "between":
            first, last = sorted((low, high), key=lambda end: end.encode() if isinstance(end, str) else end)
            return selected, {"between": {sort: (first, last)}}
        case "begins":
            return selected, {"begins_with": {sort: low[: draw(st.integers(1, 12))]}}
        case _:
            return selected, {}


def json_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as a record of a stream has it: bytes as base64."""
    return {
        name: {"B": b64encode(value["B"]).decode()} if "B" in value else value for name, value in write_row(row).items()
    }


async def apply(case: Case) -> RowChange:
    """Write, and return what the stream tells."""
    keys = {name: case.write[name] for name in case.keys}
    old = await case.table.get(keys)
    if case.is_removal:
        case.table.delete(keys)
    else:
        case.table.put(case.write)
    kind = "REMOVE" if case.is_removal else "INSERT" if old is None else "MODIFY"
    has_old, has_new = old is not None and "OLD" in case.view, not case.is_removal and "NEW" in case.view
    return RowChange(
        kind, json_of(keys), json_of(old) if has_old and old else None, json_of(case.write) if has_new else None
    )


@given(cases())
@settings(max_examples=400)
def test_a_write_that_alters_a_read_shares_a_tag_with_it(case: Case) -> None:
    async def run() -> None:
        before = copy.deepcopy(await case.read.run(case.table))
        change = await apply(case)
        raised = set(tags_of_change(case.table.tracked, change))
        if await case.read.run(case.table) != before:
            event("the write alters the read")
            assert raised & {tag.text for tag in case.read.tags}
        # Whatever stands for a tag of the read is raised with it.
        for tag in case.read.tags:
            assert tag.text not in raised or set(tag.wider) <= raised

    asyncio.run(run())
