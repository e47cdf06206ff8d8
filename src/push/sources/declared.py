"""The setting SOURCES: what an application reads and what tells it of changes, by logical name.

{"tables": {"Orders": {"name": "shop-Orders-1AB", "indexes": {"by-status": ["status", "placed_at"]}}},
 "buckets": {"Files": {"name": "shop-files"}},
 "streams": {"ledger": {"name": "shop-ledger", "format": "dms"}},
 "events": {"prices": {}},
 "notifications": {"deals": {"arn": "arn:aws:sns:eu-central-1:123456789012:deals"}}}

All parts can be left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from push.errors import SettingsError
from push.sources.table_tags import TrackedTable

IndexKeys = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]
"""The attributes of an index's partition key and of its sort key, if it has one."""


class DeclaredTable(msgspec.Struct, frozen=True):
    """A DynamoDB table: its physical name, and the keys of its global and local indexes by their names."""

    name: str
    indexes: dict[str, IndexKeys] = {}

    @property
    def tracked(self) -> TrackedTable:
        """The table as its tags need it."""
        return TrackedTable(self.name, self.indexes)


class DeclaredBucket(msgspec.Struct, frozen=True):
    """An S3 bucket: its physical name."""

    name: str


class DeclaredStream(msgspec.Struct, frozen=True):
    """A Kinesis stream: its physical name, and the form of its records."""

    name: str
    format: Literal["json", "dms", "debezium"] = "json"


class DeclaredEvents(msgspec.Struct, frozen=True):
    """Events of EventBridge, which a rule of the deployment selects."""


class DeclaredNotifications(msgspec.Struct, frozen=True):
    """An SNS topic."""

    arn: str


class DeclaredSources(msgspec.Struct, frozen=True):
    """The sources of each kind by logical name. Computes read tables and buckets; all kinds tell changes."""

    tables: dict[str, DeclaredTable] = {}
    buckets: dict[str, DeclaredBucket] = {}
    streams: dict[str, DeclaredStream] = {}
    events: dict[str, DeclaredEvents] = {}
    notifications: dict[str, DeclaredNotifications] = {}


def parse_sources(text: str) -> DeclaredSources:
    """Parse the setting; empty text declares nothing.

    Raises:
        SettingsError: it is not JSON of this form.

    """
    try:
        return msgspec.json.decode(text or "{}", type=DeclaredSources)
    except msgspec.DecodeError as exc:
        raise SettingsError(f'SOURCES is not JSON like {{"tables": {{"Orders": {{"name": "..."}}}}}}: {exc}.') from exc
