"""Publishing to channels, for sockets, HTTP and inbound webhooks: append to the history, then notify fan-out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

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
"""An `update` with this much data fits a message of API Gateway, whatever the topic's name is."""

MAX_MESSAGES = 100
"""The largest batch of messages."""


class Publishing(msgspec.Struct, frozen=True, kw_only=True):
    """Publishes for one execution environment.

    Args:
        namespaces: decide which principals may publish to which channels.
        histories: store the messages.
        fan_out: the queue that pushes them.

    """

    namespaces: Namespaces
    histories: SyncTopicHistories
    fan_out: FanOutJobSender

    def publish(
        self, name: str, messages: Sequence[NewMessage], tenant: Tenant, principal: str
    ) -> tuple[Topic, Sequence[Position]]:
        """Publish messages to a channel in order, all or none, if the principal is permitted.

        Raises:
            RequestError: the name is not a channel's, the principal may not publish, or a message is refused.
            TransientError: the messages may have been published; a retry with the same ids is safe.

        """
        topic = parse_topic(name, tenant)
        self.namespaces.find(topic).check_publish(topic, tenant, principal)
        return topic, self._append(topic, messages)

    def publish_unchecked(self, name: str, message: NewMessage, tenant: Tenant) -> Position:
        """Publish a message whose channel the configuration chose, without a permission check.

        Raises:
            RequestError: the name is not a channel's, or the message is refused.
            TransientError: the message may have been published; a retry with the same id is safe.

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
        # Also if they were appended before: the function that did it may have died before this.
        self.fan_out.send([Nudge(topic.storage)])
        return [each.position for each in appended]


def _check(data: bytes) -> None:
    """Refuse data that some clients cannot read: msgspec accepts raw JSON without checking its strings and numbers."""
    if len(data) > MAX_DATA_BYTES:
        raise RequestError(f"`data` is larger than {MAX_DATA_BYTES} bytes.", code=ErrorCode.TOO_LARGE)
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RequestError("`data` is not valid JSON.", code=ErrorCode.INVALID_JSON) from exc


def message_id(*parts: str) -> str:
    """Return a message's id within its topic: different parts never make the same id."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
