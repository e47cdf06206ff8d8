"""Computes over the table Orders."""

from push import Context, compute


@compute(ttl=3600.0, stale_ttl=86400.0)
async def customer_orders(context: Context, customer: str, status: str | None = None) -> list[dict]:
    """Orders of a customer, newest first."""
    rows = await context.table("Orders").query({"customer": customer}, newest_first=True)
    return [row for row in rows if status in (None, row["status"])]
