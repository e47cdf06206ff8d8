"""How messages get to a channel: into its history, and then fan-out is told. By socket, by HTTP, or by a webhook."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.topics.fan_out_jobs import Nudge
from push.topics.histories import NewMessage
from push.topics.namespaces import Namespaces
from push.topics.ports import FanOutJobSender, SyncTopicHistories
from push.topics.positions import Position
from push.topics.topics import Topic, parse_topic

MAX_DATA_BYTES = 120 * 1024
"""An `update` with so much data is a message that API Gateway takes, whatever the topic is named."""

MAX_MESSAGES = 100
"""How many messages are published at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Publishes for one execution environment.

    Args:
        namespaces: who may publish to what.
        histories: where messages go.
        fan_out: the queue of what is to be pushed.

    """

    namespaces: Namespaces
    histories: SyncTopicHistories
    fan_out: FanOutJobSender

    def publish(
        self, name: str, messages: Sequence[NewMessage], tenant: Tenant, principal: str
    ) -> tuple[Topic, Sequence[Position]]:
        """Publish messages to a channel, all or none and in order, if the principal may.

        Raises:
            RequestError: it is no channel, the principal may not, or a message is too large.
            TransientError: they may or may not have been published; the same ids may be tried again.

        """
        topic = parse_topic(name, tenant)
        self.namespaces.find(topic).check_publish(topic, tenant, principal)
        return topic, self._append(topic, messages)

    def publish_for_us(self, name: str, message: NewMessage, tenant: Tenant) -> Position:
        """Publish a message that the configuration, and no principal, sends to a channel.

        Raises:
            RequestError: it is no channel, or the message is too large.
            TransientError: it may or may not have been published; the same id may be tried again.

        """
        (position,) = self._append(parse_topic(name, tenant), [message])
        return position

    def _append(self, topic: Topic, messages: Sequence[NewMessage]) -> Sequence[Position]:
        for message in messages:
            _check(message.data)
        namespace = self.namespaces.find(topic)
        appended = self.histories.append(
            topic, messages, size=namespace.history_size, seconds=namespace.history_seconds
        )
        # Also if they had been appended before: who did that may have died before this.
        self.fan_out.send([Nudge(topic.storage)])
        return [each.position for each in appended]


def _check(data: bytes) -> None:
    """Let pass what every client can read: msgspec takes raw JSON whatever its text and its numbers are."""
    if len(data) > MAX_DATA_BYTES:
        raise RequestError(f"The data are larger than {MAX_DATA_BYTES} bytes.", code=ErrorCode.TOO_LARGE)
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RequestError("The data are no JSON that everybody can read.", code=ErrorCode.INVALID_JSON) from exc


def message_id(*parts: str) -> str:
    """Return the id of a message in its topic: no other parts, however chosen, make the same."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
