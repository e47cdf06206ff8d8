"""The end of a connection: its subscriptions are removed, and topics with presence learn of it."""

from __future__ import annotations

import msgspec

from push.topics.fan_out_jobs import PresenceLook
from push.topics.namespaces import Namespaces
from push.topics.ports import FanOutJobSender, Subscriptions
from push.topics.subscriptions import PRESENCE_DELAY_SECONDS


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """Ends the subscriptions of connections, for one execution environment.

    Args:
        subscriptions: the subscriptions of all connections.
        fan_out: the queue that pushes presence.
        namespaces: tell which topics have presence.

    """

    subscriptions: Subscriptions
    fan_out: FanOutJobSender
    namespaces: Namespaces

    def leave(self, connection_id: str) -> None:
        """End all subscriptions of a connection; a repeated call is safe.

        Raises:
            TransientError: a service did not answer; remaining rows go by TTL, or when a push gets 410.

        """
        topics = self.subscriptions.remove_connection(connection_id)
        looks = [PresenceLook(topic.storage) for topic in topics if self.namespaces.find(topic).presence]
        if looks:
            self.fan_out.send(looks, PRESENCE_DELAY_SECONDS)
