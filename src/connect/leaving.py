"""What is left of a connection when it has ended: its subscriptions go, and those who were there with it are told."""

from __future__ import annotations

from push.topics.fan_out_jobs import PresenceLook
from push.topics.namespaces import Namespaces
from push.topics.ports import FanOutJobSender, Subscriptions
from push.topics.subscriptions import PRESENCE_DELAY_SECONDS


class Leaving:
    """Ends the subscriptions of connections, for one execution environment.

    Args:
        subscriptions: where they are kept.
        fan_out: the queue of what is to be pushed.
        namespaces: which topics have presence.

    """

    def __init__(self, *, subscriptions: Subscriptions, fan_out: FanOutJobSender, namespaces: Namespaces) -> None:
        self._subscriptions = subscriptions
        self._fan_out = fan_out
        self._namespaces = namespaces

    def leave(self, connection_id: str) -> None:
        """End all subscriptions of a connection; once more is no harm.

        Raises:
            TransientError: something did not answer; what is left goes by TTL, or when a push finds nobody.

        """
        topics = self._subscriptions.remove_connection(connection_id)
        looks = [PresenceLook(topic.storage) for topic in topics if self._namespaces.find(topic).presence]
        if looks:
            self._fan_out.send(looks, PRESENCE_DELAY_SECONDS)
