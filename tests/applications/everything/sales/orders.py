"""A compute over a table and a bucket."""

from push import Context, compute


@compute
async def report(context: Context, customer: str) -> dict:
    """Return what a customer ordered, and the report on it."""
    orders = await context.table("Orders").query({"customer": customer})
    return {"orders": len(orders), "report": await context.bucket("Reports").get_json(f"{customer}.json")}
