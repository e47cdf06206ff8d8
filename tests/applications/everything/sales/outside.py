"""A compute over something of which only events, notifications and streams tell."""

import os
from pathlib import Path

from push import ChangeRecord, changes_of, compute


def tags_of(name: str) -> list[str]:
    """Return the tags of everything that is made from a file."""
    return [f"outside:{name}"]


@compute(ttl=3600.0, tags=tags_of)
def outside(name: str) -> str | None:
    """Return the text of a file."""
    path = Path(os.environ["OUTSIDE"], name)
    return path.read_text() if path.exists() else None


@changes_of("ledger")
def told_by_stream(record: ChangeRecord) -> list[str]:
    """Read JSON of one's own."""
    return tags_of(record.body["name"])


@changes_of("rows")
async def told_by_rows(record: ChangeRecord) -> list[str]:
    """Read a row of a relational database."""
    return [tag for row in (record.old, record.new) if row for tag in tags_of(row["name"])]


@changes_of("prices")
def told_by_event(record: ChangeRecord) -> list[str]:
    """Read an event of EventBridge."""
    return tags_of(record.body["detail"]["name"])


@changes_of("rates")
def told_by_event_of_another_bus(record: ChangeRecord) -> list[str]:
    """Read an event of EventBridge."""
    return tags_of(record.body["detail"]["name"])


@changes_of("deals")
def told_by_notification(record: ChangeRecord) -> list[str]:
    """Read a message of SNS."""
    return tags_of(record.body["name"])


@changes_of("recalls")
def told_by_text(record: ChangeRecord) -> list[str]:
    """Read a message of SNS that is not JSON."""
    return tags_of(record.body)
