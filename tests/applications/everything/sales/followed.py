"""Computes over a table and its index. They name no tags: what they read is noted."""

from push import Context, compute

STATUSES = ("open", "packed", "shipped")


@compute(ttl=3600.0)
async def order(context: Context, customer: str, number: int) -> dict | None:
    """One order."""
    return await context.table("Orders").get({"customer": customer, "number": number})


@compute(ttl=3600.0)
async def orders(context: Context, customer: str) -> list[int]:
    """Return the numbers of a customer's orders."""
    return [row["number"] for row in await context.table("Orders").query({"customer": customer})]


@compute(ttl=3600.0)
async def orders_in(context: Context, status: str) -> list[int]:
    """Return the numbers of the orders in a status."""
    rows = await context.table("Orders").query({"status": status}, index="by-status")
    return sorted(row["number"] for row in rows)


@compute(ttl=3600.0)
async def totals(context: Context) -> dict[str, int]:
    """Count the orders in each status."""
    table = context.table("Orders")
    return {status: len(await table.query({"status": status}, index="by-status")) for status in STATUSES}


@compute(ttl=3600.0)
async def documents(context: Context, folder: str) -> list[str]:
    """Return the keys of a folder of the bucket."""
    return await context.bucket("Reports").list(folder)
