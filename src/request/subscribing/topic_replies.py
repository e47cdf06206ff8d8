"""Replies to messages about topics: the frame of the route response, and chunks that follow by the delivery queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from push.callers import Caller
from push.delivery.deliveries import KEPT_MS, Delivery
from push.delivery.ports import DeliverySender
from push.errors import PushasideError
from push.keys import parse_storage
from push.protocol.frames import render_accepted, render_with_data
from push.protocol.large_answers import LARGE_FROM_BYTES, encode_data, render_large_data
from push.protocol.messages import Hello, Publish, Subscribe, Unsubscribe
from push.protocol.payloads import LINK_SECONDS, payload_name
from push.protocol.ports import Payloads
from push.topics.histories import NewMessage
from push.topics.topic_answers import Subscribed, render_published, render_subscribed_head, render_unsubscribed
from request.asking.client_encodings import ClientEncodings
from request.subscribing.connection_subscriptions import ConnectionSubscriptions
from request.subscribing.publishing import Publishing, message_id


class TopicReplies(msgspec.Struct, frozen=True, kw_only=True):
    """Replies to messages about topics for one execution environment.

    Args:
        subscriptions: subscribes and unsubscribes connections.
        publishing: publishes messages.
        client_encodings: knows which clients read gzip.
        payloads: makes links to data that fit no message.
        deliveries: the queue for chunks, because a route response is one message.
        now_ms: the clock, in milliseconds since 1970.

    """

    subscriptions: ConnectionSubscriptions
    publishing: Publishing
    client_encodings: ClientEncodings
    payloads: Payloads
    deliveries: DeliverySender
    now_ms: Callable[[], int]

    def subscribe(self, message: Subscribe, caller: Caller) -> str:
        """Return `subscribed`, or `accepted` if that follows in chunks. Raises what subscribing raises."""
        subscribed = self.subscriptions.subscribe(message, caller)
        head = render_subscribed_head(message.id, subscribed)
        if subscribed.data is None:
            return f"{head}}}"
        if len(subscribed.data) < LARGE_FROM_BYTES:
            return render_with_data(head, subscribed.data)
        first, *others = frames = self._render_large(message, caller, head, subscribed, subscribed.data)
        if not others:
            return first
        until_ms = self.now_ms() + KEPT_MS
        self.deliveries.send([Delivery(caller.connection_id, frame, until_ms) for frame in frames])
        return render_accepted(message.id)

    def _render_large(
        self, message: Subscribe, caller: Caller, head: str, subscribed: Subscribed, data: bytes
    ) -> list[str]:
        reads_gzip = self.client_encodings.reads_gzip(caller.connection_id, message.accept)
        return render_large_data(
            message.id,
            head,
            data,
            encoded=encode_data(data) if reads_gzip else "",
            link=partial(self._link, subscribed),
        )

    def _link(self, subscribed: Subscribed) -> str:
        # Only results can be large enough for a link.
        name = payload_name(parse_storage(subscribed.topic.storage), subscribed.etag)
        return self.payloads.link(name, LINK_SECONDS)

    def unsubscribe(self, message: Unsubscribe, caller: Caller) -> str:
        """Unsubscribe, and return `unsubscribed`. Raises as `ConnectionSubscriptions.unsubscribe`."""
        return render_unsubscribed(message.id, self.subscriptions.unsubscribe(message, caller))

    def publish(self, message: Publish, caller: Caller) -> str:
        """Publish, and return `published`. Raises as `Publishing.publish`."""
        identity = (
            ("connection", caller.connection_id, message.id)
            if message.message_id is None
            else ("principal", caller.principal, message.message_id)
        )
        new = NewMessage(bytes(message.data), message_id(*identity))
        topic, (position,) = self.publishing.publish(message.topic, [new], caller.tenant, caller.principal)
        return render_published(message.id, topic, position)

    def resume(self, hello: Hello, caller: Caller) -> dict[str, PushasideError]:
        """Subscribe to the topics that `hello` lists, and return the refused ones with their errors."""
        return self.subscriptions.resume(hello.positions or {}, caller, hello.accept)


class HasTopicReplies(Protocol):
    """Holds the replies to messages about topics, or makes them at their first use."""

    @property
    def replies(self) -> TopicReplies:
        """The replies."""
