"""Inbound webhooks: verified, deduplicated, and published to a topic."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from push.errors import ErrorCode, RequestError
from push.hooks.inbound import Hook, receive_hook, verify_hook
from push.hooks.ports import HookSecrets, SeenHooks
from push.hooks.sources import HookSource
from push.topics.histories import NewMessage
from push.topics.positions import Position
from request.subscribing.publishing import Publishing, message_id


class Received(msgspec.Struct, frozen=True):
    """The topic and position of a published webhook."""

    topic: str
    position: Position


class InboundWebhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Receives webhooks for one execution environment.

    Args:
        sources: the accepted sources, keyed by the name in the URL.
        secrets: the secrets that sources sign with.
        seen: the webhooks received before.
        publishing: publishes webhooks.

    """

    sources: Mapping[str, HookSource]
    secrets: HookSecrets
    seen: SeenHooks
    publishing: Publishing

    def receive(self, name: str, hook: Hook, now: float) -> Received | None:
        """Publish a webhook; return None if it was published before. `now` is in seconds since 1970.

        Raises:
            RequestError: the source is unknown, the signature is wrong, or the body names no topic.
            TransientError: a service did not answer; the sender should retry.
            SettingsError: the source has no usable secret.

        """
        source = self.sources.get(name)
        if source is None:
            raise RequestError("There is no source of webhooks with this name.", code=ErrorCode.NOT_FOUND)
        verified = verify_hook(source, self.secrets.find(source.name), hook, now)
        message = NewMessage(verified.body, message_id("hook", source.name, verified.identity))

        def publish(topic: str) -> Received:
            return Received(topic, self.publishing.publish_unchecked(topic, message, source.tenant))

        return receive_hook(verified, source, self.seen, publish)
