"""The common parts of the widgets: their times, the shapes of their values, and the reading of documents."""

from typing import Any, NamedTuple

import msgspec

from push import ComputeFailedError, Context, ErrorCode, compute

widget = compute(ttl=3600.0, stale_ttl=86400.0)
"""Declares a widget: the decorator `@compute` with the times of all of them."""


class Number(msgspec.Struct):
    """One value, and the value of the day before if there is one."""

    value: float
    unit: str = ""
    before: float | None = None


Bars = dict[str, float]
"""Values by label, in order."""


class Day(NamedTuple):
    """The document `sales/<date>.json`: what each store did on a day, and how many of each product it sold."""

    date: str
    stores: dict[str, dict[str, float]]
    products: dict[str, int]

    def total(self, what: str) -> float:
        """Return the sum over all stores."""
        return sum(store[what] for store in self.stores.values())


async def read_days(context: Context) -> list[Day]:
    """Return the days that have a document, the oldest first; at least one."""
    bucket = context.bucket("Reports")
    contents = await bucket.get_many(await bucket.list("sales/"))
    days = [Day(**msgspec.json.decode(content)) for content in contents if content is not None]
    if not days:
        raise ComputeFailedError("There are no documents sales/<date>.json yet.", code=ErrorCode.NOT_FOUND)
    return days


async def read_document(context: Context, key: str) -> dict[str, Any]:
    """Return a document as JSON."""
    document: dict[str, Any] | None = await context.bucket("Reports").get_json(key)
    if document is None:
        raise ComputeFailedError(f"There is no document {key} yet.", code=ErrorCode.NOT_FOUND)
    return document


async def compare(context: Context, what: str, unit: str = "") -> Number:
    """Return a day's total, beside that of the day before."""
    *earlier, today = await read_days(context)
    return Number(today.total(what), unit, earlier[-1].total(what) if earlier else None)
