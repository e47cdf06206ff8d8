"""Computes for staff: the orders in a status, and totals. Both read the index `by-status`."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from computes.access import is_staff
from push import Context, compute

Status = Literal["open", "packed", "shipped", "delivered"]


@compute(ttl=3600.0, stale_ttl=86400.0, authorize=is_staff)
async def orders_by_status(
    context: Context, status: Status, limit: Annotated[int, Meta(ge=1, le=100)] = 20
) -> list[dict]:
    """Orders in a status of all customers, newest first."""
    return await context.table("Orders").query({"status": status}, index="by-status", newest_first=True, limit=limit)


@compute(ttl=3600.0, stale_ttl=86400.0, authorize=is_staff)
async def status_totals(context: Context) -> list[dict]:
    """Count the orders in each status, and add up their value."""
    totals = []
    for status in get_args(Status):
        rows = await context.table("Orders").query({"status": status}, index="by-status")
        value = round(sum(row["total"] for row in rows), 2)
        totals.append({"status": status, "orders": len(rows), "value": value})
    return totals
