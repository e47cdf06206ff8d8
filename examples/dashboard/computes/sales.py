"""Widgets over the sales of each day."""

from computes.widgets import Bars, Number, compare, read_days, widget
from push import Context


@widget
async def revenue_today(context: Context) -> Number:
    """Revenue."""
    return await compare(context, "revenue", "€")


@widget
async def orders_today(context: Context) -> Number:
    """Orders."""
    return await compare(context, "orders")


@widget
async def average_order(context: Context) -> Number:
    """Average order."""
    today = (await read_days(context))[-1]
    return Number(round(today.total("revenue") / max(1, today.total("orders")), 2), "€")


@widget
async def revenue_by_day(context: Context) -> Bars:
    """Revenue by day."""
    return {day.date: day.total("revenue") for day in await read_days(context)}


@widget
async def orders_by_day(context: Context) -> Bars:
    """Orders by day."""
    return {day.date: day.total("orders") for day in await read_days(context)}


@widget
async def revenue_by_store(context: Context) -> Bars:
    """Revenue by store."""
    return {name: store["revenue"] for name, store in (await read_days(context))[-1].stores.items()}


@widget
async def revenue_of_the_week(context: Context) -> Number:
    """Revenue of seven days."""
    return Number(sum(day.total("revenue") for day in (await read_days(context))[-7:]), "€")
