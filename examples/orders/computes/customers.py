"""Computes for customers: their orders, and one order."""

from computes.access import may_see_customer
from push import ComputeFailedError, Context, ErrorCode, compute


@compute(ttl=3600.0, stale_ttl=86400.0, authorize=may_see_customer)
async def customer_orders(context: Context, customer: str) -> list[dict]:
    """Orders of a customer, newest first."""
    return await context.table("Orders").query({"customer": customer}, newest_first=True)


@compute(ttl=3600.0, stale_ttl=86400.0, authorize=may_see_customer)
async def order(context: Context, customer: str, number: int) -> dict:
    """One order of a customer."""
    row = await context.table("Orders").get({"customer": customer, "number": number})
    if row is None:
        raise ComputeFailedError(f"{customer} has no order {number}.", code=ErrorCode.NOT_FOUND)
    return row
