"""Subscriptions: which connections are told of a topic, and which live results are made from what.

The subscriptions of a topic are spread over shards by their connections, and those of a connection over shards by
their topics (`push.topics.shard_of`), so that neither a topic with 100,000 subscribers nor a connection with 1,000
topics is one partition.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from push.computes import Tenant
from push.connections import CONNECTION_SECONDS
from push.keys import Key
from push.topics import Topic

MAX_TOPICS = 1000
"""How many topics a connection may be subscribed to."""

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


class Subscriptions(Protocol):
    """Subscriptions, as those see them who answer one message at a time."""

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Write subscriptions; whoever then reads those of a topic finds them.

        One that is there is replaced. Raises TransientError, and then some may have been written.
        """

    def remove(self, topic: Topic, connection_id: str) -> None:
        """Remove a subscription, if there is one. Raises TransientError."""

    def remove_connection(self, connection_id: str) -> Sequence[Topic]:
        """Remove all subscriptions of a connection but, maybe, those of the last second; return their topics.

        Raises TransientError, and then some may have been removed.
        """

    def count_of(self, connection_id: str, topic: Topic | None = None) -> int:
        """Return how many topics a connection is subscribed to, without, maybe, those of the last second.

        With a topic that one shard is counted which the topic is of. Raises TransientError.
        """

    def add_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Note under each tag that a live result is made from what it names. Raises TransientError."""


class TopicMembers(Protocol):
    """The subscribers of a topic, as those see them who are asked about it."""

    def count(self, topic: Topic) -> int:
        """Return how many connections are subscribed. Raises TransientError."""

    def members(self, topic: Topic, limit: int) -> Sequence[Subscription]:
        """Return the subscriptions, but no more than `limit`. Raises TransientError."""


class Subscribers(Protocol):
    """The subscribers of a topic, as those see them who push to them."""

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        """Return subscriptions of a shard with everything written before, and where the next page starts.

        None is the start of the first page, and what follows the last. Expired ones are left out, so that a page may
        be short or empty. Raises TransientError.
        """

    async def remove_all(self, topic: Topic, connection_ids: Collection[str]) -> None:
        """Remove subscriptions of connections that are gone. Never raises: they expire by themselves otherwise."""


class LiveResults(Protocol):
    """Which live results are made from what, as those see it who hear of changes."""

    async def live_of(self, tenant: Tenant | None, tags: Collection[str]) -> Sequence[LiveResult]:
        """Return the live results that are made from what any of the tags names, each once.

        Tags are a tenant's own; None is the shared scope. Raises TransientError.
        """

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Remove a live result under each tag, unless somebody has subscribed since it was read.

        Never raises: it expires by itself otherwise.
        """
