"""What is left of a connection when it has ended: its subscriptions go, and those who were there with it are told."""

from __future__ import annotations

from dataclasses import dataclass

from push.topics.fan_out_jobs import PresenceLook
from push.topics.namespaces import Namespaces
from push.topics.ports import FanOutJobSender, Subscriptions
from push.topics.subscriptions import PRESENCE_DELAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Ends the subscriptions of connections, for one execution environment.

    Args:
        subscriptions: where they are kept.
        fan_out: the queue of what is to be pushed.
        namespaces: which topics have presence.

    """

    subscriptions: Subscriptions
    fan_out: FanOutJobSender
    namespaces: Namespaces

    def leave(self, connection_id: str) -> None:
        """End all subscriptions of a connection; once more is no harm.

        Raises:
            TransientError: something did not answer; what is left goes by TTL, or when a push finds nobody.

        """
        topics = self.subscriptions.remove_connection(connection_id)
        looks = [PresenceLook(topic.storage) for topic in topics if self.namespaces.find(topic).presence]
        if looks:
            self.fan_out.send(looks, PRESENCE_DELAY_SECONDS)
