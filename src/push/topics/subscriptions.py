"""Subscriptions of connections to topics, and the live results that changes of tags affect.

A topic's subscriptions are spread over shards by connection, and a connection's over shards by topic
(`push.topics.topics.shard_of`). So neither a topic with 100,000 subscribers nor a connection with 1,000 topics is one
partition.
"""

from __future__ import annotations

import msgspec

from push.access.connections import CONNECTION_SECONDS
from push.computes import Tenant
from push.keys import Key
from push.topics.topics import Topic

PRESENCE_DELAY_SECONDS = 1
"""Joins and leaves within this time are reported in one presence message."""

PATCH = "patch"
"""The option of a subscription whose client applies patches."""


LINKED_SECONDS = 10 * 60
"""Workers rely on links of live results that they or others wrote up to so long ago (`push.topics.ports.LinkMarks`)."""


class Right(msgspec.Struct, frozen=True):
    """The arguments of a live result's rule `authorize`, beside the principal; claims and params are JSON."""

    tenant: Tenant
    claims: str
    params: str


class Subscription(msgspec.Struct, frozen=True):
    """One connection's subscription to one topic; `expires_at` is in seconds since 1970.

    `options` are words from the client's `accept`, none of which holds a comma. Only a live result whose compute has a
    rule `authorize` has a `right`.
    """

    topic: Topic
    connection_id: str
    principal: str
    expires_at: int
    options: frozenset[str] = frozenset()
    right: Right | None = None


class LiveResult(msgspec.Struct, frozen=True):
    """A compute with params whose result has subscribers until `expires_at` (seconds since 1970).

    `tenant` is the last subscriber's: the key's tenant, or any tenant for a shared compute. `principal` is empty unless
    the key has one. `written` identifies, in a row that was read, the write that made it.
    """

    key: Key
    tenant: Tenant
    params: msgspec.Raw
    expires_at: int
    principal: str = ""
    written: str = ""


def subscribed_until(now_ms: int) -> int:
    """Return when a subscription made now expires (seconds since 1970); later than its connection can last."""
    return now_ms // 1000 + CONNECTION_SECONDS


def linked_until(now_ms: int) -> int:
    """Return when a link written now expires (seconds since 1970).

    A worker that relies on it does so for a subscription that was made up to `LINKED_SECONDS` later.
    """
    return subscribed_until(now_ms) + LINKED_SECONDS


class LinkMark(msgspec.Struct, frozen=True):
    """What is noted of a key's links, with the key's generation at the same moment.

    `digest` stands for the set of linked tags; any other text stands for none.
    """

    digest: str
    generation: str
