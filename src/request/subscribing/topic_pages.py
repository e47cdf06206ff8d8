"""The pages of topics over HTTP: position, number of subscribers, and presence where the namespace allows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from push.access.tokens import Identity
from push.authorizing import forbidden
from push.topics.namespaces import Namespaces
from push.topics.ports import SyncTopicHistories, TopicMembers
from push.topics.positions import Position
from push.topics.topics import Topic, parse_topic

MAX_NAMED_CONNECTIONS = 1000
"""Presence names the principals of so many connections; `subscribers` counts all of them."""


class Member(msgspec.Struct, frozen=True):
    """A subscribed principal, and the number of its connections."""

    principal: str
    connections: int


class TopicPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The page of a topic; `presence` is there only if the namespace has it."""

    topic: str
    position: str
    subscribers: int
    presence: Sequence[Member] | None = None


class TopicPages(msgspec.Struct, frozen=True, kw_only=True):
    """Finds the pages of topics for one execution environment.

    Args:
        namespaces: decide which principals may subscribe, and which topics have presence.
        histories: hold the positions of topics.
        members: the subscribers of topics.
        is_guarded: returns whether a compute has a rule `authorize`; called for live results only.

    """

    namespaces: Namespaces
    histories: SyncTopicHistories
    members: TopicMembers
    is_guarded: Callable[[str], bool] = lambda _compute: False

    def find(self, name: str, identity: Identity) -> TopicPage:
        """Return the page of a topic that the caller may subscribe to.

        Raises:
            RequestError: the name is not a topic's, or the caller may not subscribe to it.
            TransientError: Redis or the table did not answer.

        """
        topic = parse_topic(name, identity.tenant)
        if topic.is_live and self.is_guarded(topic.compute):
            # The name does not tell the params that the rule is asked with.
            raise forbidden(topic.compute)
        namespace = self.namespaces.find(topic)
        namespace.check_subscribe(topic, identity.tenant, identity.principal)
        position: Position = self.histories.head(topic)
        return TopicPage(
            topic=topic.name,
            position=str(position),
            subscribers=self.members.count(topic),
            presence=self._name_members(topic) if namespace.presence else None,
        )

    def _name_members(self, topic: Topic) -> Sequence[Member]:
        subscriptions = self.members.members(topic, MAX_NAMED_CONNECTIONS)
        counted = Counter(each.principal for each in subscriptions)
        return [Member(principal, connections) for principal, connections in sorted(counted.items())]
