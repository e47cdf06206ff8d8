"""What is told of a topic over HTTP: how far it is, how many are subscribed, and who, where they may know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from push.access.tokens import Identity
from push.topics.namespaces import Namespaces
from push.topics.ports import SyncTopicHistories, TopicMembers
from push.topics.positions import Position
from push.topics.topics import Topic, parse_topic

MAX_NAMED_CONNECTIONS = 1000
"""Of more connections not all principals are named; they are counted all the same."""


class Member(msgspec.Struct, frozen=True):
    """A principal that is subscribed, over so many connections."""

    principal: str
    connections: int


class TopicPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a topic; `presence` only where its namespace says so."""

    topic: str
    position: str
    subscribers: int
    presence: Sequence[Member] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPages:
    """Tells of topics, for one execution environment.

    Args:
        namespaces: who may know what.
        histories: how far topics are.
        members: who is subscribed.

    """

    namespaces: Namespaces
    histories: SyncTopicHistories
    members: TopicMembers

    def find(self, name: str, identity: Identity) -> TopicPage:
        """Return what may be told of a topic: to those who may subscribe to it.

        Raises:
            RequestError: it is no topic's name, or not the caller's.
            TransientError: Redis or the table did not answer.

        """
        topic = parse_topic(name, identity.tenant)
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
