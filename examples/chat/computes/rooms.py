"""The rooms of the chat. Their messages are in channels, which need no compute."""

from typing import Any

from push import ComputeFailedError, Context, ErrorCode, compute


@compute(ttl=3600.0, stale_ttl=86400.0)
async def rooms(context: Context) -> list[dict[str, Any]]:
    """All rooms by title, each with the topic of its channel."""
    rows = await context.table("Rooms").scan()
    return sorted((describe(row) for row in rows), key=lambda room: room["title"])


@compute(ttl=3600.0, stale_ttl=86400.0)
async def room(context: Context, name: str) -> dict[str, Any]:
    """One room."""
    row = await context.table("Rooms").get({"name": name})
    if row is None:
        raise ComputeFailedError(f"No room is named {name}.", code=ErrorCode.NOT_FOUND)
    return describe(row)


def describe(row: dict[str, Any]) -> dict[str, Any]:
    """Return a room as clients see it."""
    return {"name": row["name"], "title": row["title"], "about": row.get("about", ""), "topic": f"chat:{row['name']}"}
