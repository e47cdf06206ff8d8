"""Widgets over the visitors of each day, and over what they bring back."""

from computes.widgets import Bars, Number, compare, read_days, widget
from push import Context


@widget
async def visitors_today(context: Context) -> Number:
    """Visitors."""
    return await compare(context, "visitors")


@widget
async def visitors_by_day(context: Context) -> Bars:
    """Visitors by day."""
    return {day.date: day.total("visitors") for day in await read_days(context)}


@widget
async def visitors_by_store(context: Context) -> Bars:
    """Visitors by store."""
    return {name: store["visitors"] for name, store in (await read_days(context))[-1].stores.items()}


@widget
async def conversion_today(context: Context) -> Number:
    """Visitors who buy."""
    today = (await read_days(context))[-1]
    return Number(percent(today.total("orders"), today.total("visitors")), "%")


@widget
async def conversion_by_store(context: Context) -> Bars:
    """Visitors who buy, by store, in percent."""
    stores = (await read_days(context))[-1].stores
    return {name: percent(store["orders"], store["visitors"]) for name, store in stores.items()}


@widget
async def returns_today(context: Context) -> Number:
    """Orders that came back today."""
    return await compare(context, "returns")


@widget
async def return_rate(context: Context) -> Number:
    """Share of orders that come back."""
    days = await read_days(context)
    return Number(percent(sum(day.total("returns") for day in days), sum(day.total("orders") for day in days)), "%")


def percent(part: float, whole: float) -> float:
    """Return a share in percent, with one digit."""
    return round(100 * part / whole, 1) if whole else 0.0
