"""Widgets over products, the stock and reviews: each reads one or two documents of its own."""

from collections import Counter

from computes.widgets import Bars, Number, read_days, read_document, widget
from push import Context


@widget
async def best_sellers(context: Context) -> Bars:
    """Best sellers."""
    sold: Counter[str] = Counter()
    for day in await read_days(context):
        sold.update(day.products)
    return dict(sold.most_common(5))


@widget
async def stock_levels(context: Context) -> Bars:
    """Units in stock."""
    return {name: item["units"] for name, item in (await read_document(context, "stock.json")).items()}


@widget
async def stock_value(context: Context) -> Number:
    """Value of the stock."""
    stock = await read_document(context, "stock.json")
    return Number(sum(item["units"] * item["price"] for item in stock.values()), "€")


@widget
async def to_reorder(context: Context) -> list[str]:
    """To reorder."""
    stock = await read_document(context, "stock.json")
    return [name for name, item in stock.items() if item["units"] < item["reorder_below"]]


@widget
async def rating(context: Context) -> Number:
    """Rating."""
    stars = await read_document(context, "reviews.json")
    count = sum(stars.values())
    return Number(round(sum(int(star) * given for star, given in stars.items()) / max(1, count), 2), "★")


@widget
async def reviews_by_stars(context: Context) -> Bars:
    """Reviews by stars."""
    return {f"{star} ★": count for star, count in (await read_document(context, "reviews.json")).items()}
