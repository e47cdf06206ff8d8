"""Subscriptions: which connections are told of a topic, and which live results are made from what.

The subscriptions of a topic are spread over shards by their connections, and those of a connection over shards by
their topics (`push.topics.topics.shard_of`), so that neither a topic with 100,000 subscribers nor a connection with
1,000 topics is one partition.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from push.access.connections import CONNECTION_SECONDS
from push.computes import Tenant
from push.keys import Key
from push.topics.topics import Topic

PRESENCE_DELAY_SECONDS = 1
"""Who comes to a topic and leaves it within so long is told at once."""

PATCH = "patch"
"""Among a subscription's options: the client applies patches."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One connection's to one topic; `expires_at` is in seconds since 1970.

    `options` are words that the client said in `accept`, none of which holds a comma.
    """

    topic: Topic
    connection_id: str
    principal: str
    expires_at: int
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LiveResult:
    """A compute with params whose result somebody has subscribed to, and until when (seconds since 1970).

    `tenant` is of whoever subscribed last: that of the key, or any for a shared compute. `written` tells, in one that
    was read, which writing of it that was.
    """

    key: Key
    tenant: Tenant
    params: msgspec.Raw
    expires_at: int
    written: str = ""


def subscribed_until(now_ms: int) -> int:
    """Return when a subscription made now expires (seconds since 1970): later than its connection can last."""
    return now_ms // 1000 + CONNECTION_SECONDS
