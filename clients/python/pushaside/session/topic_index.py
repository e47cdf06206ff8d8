"""The subscriptions of each topic, and those whose topic is unknown until the service answers."""

from __future__ import annotations

from pushaside.protocol.topic_messages import Pushed
from pushaside.session.strays import Strays
from pushaside.session.subscription import Subscription


class TopicIndex:
    """Subscriptions by topic; while the topic of one is unknown, messages of unknown topics are held for it."""

    def __init__(self) -> None:
        self.subscribed: dict[str, dict[str, Subscription]] = {}
        """The subscriptions of each known topic, by id."""
        self._unnamed: set[str] = set()
        self._strays = Strays()

    def add(self, subscription: Subscription) -> None:
        """Add a subscription under its topic, if it is known."""
        feed = subscription.feed
        if feed.topic is None:
            self._unnamed.add(feed.id)
        else:
            self.subscribed.setdefault(feed.topic, {})[feed.id] = subscription

    def name(self, subscription: Subscription, topic: str) -> Pushed | None:
        """Note the topic of a subscription; return the message of the topic that arrived before, if there is one."""
        self.remove(subscription)
        self.subscribed.setdefault(topic, {})[subscription.feed.id] = subscription
        stray = self._strays.take(topic)
        if not self._unnamed:
            self._strays.clear()
        return stray

    def remove(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        feed = subscription.feed
        self._unnamed.discard(feed.id)
        if feed.topic is not None and feed.topic in self.subscribed:
            others = self.subscribed[feed.topic]
            others.pop(feed.id, None)
            if not others:
                del self.subscribed[feed.topic]

    def clear(self) -> None:
        """Remove all subscriptions and messages."""
        self.subscribed.clear()
        self._unnamed.clear()
        self._strays.clear()

    def hold(self, pushed: Pushed) -> None:
        """Hold a message of an unknown topic, if it may be the topic of a subscription."""
        if self._unnamed:
            self._strays.hold(pushed)

    def may_have(self, topic: str) -> bool:
        """Tell whether a subscription has a topic, or may turn out to have it."""
        return topic in self.subscribed or bool(self._unnamed)
