"""How a webhook of others gets to a topic: verified, told from those that came before, and published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from push.errors import ErrorCode, RequestError
from push.hooks.inbound import Hook, receive_hook, verify_hook
from push.hooks.ports import HookSecrets, SeenHooks
from push.hooks.sources import HookSource
from push.topics.histories import NewMessage
from push.topics.positions import Position
from request.subscribing.publishing import Publishing, message_id


@dataclass(frozen=True, slots=True)
class Received:
    """Where a webhook was published."""

    topic: str
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundWebhooks:
    """Takes webhooks for one execution environment.

    Args:
        sources: whose webhooks are taken, by the name in the URL.
        secrets: what they sign with.
        seen: those that came before.
        publishing: publishes them.

    """

    sources: Mapping[str, HookSource]
    secrets: HookSecrets
    seen: SeenHooks
    publishing: Publishing

    def receive(self, name: str, hook: Hook, now: float) -> Received | None:
        """Publish a webhook of a source, or None if it has been published before; `now` is in seconds since 1970.

        Raises:
            RequestError: there is no such source, it did not sign this, or the body names no topic.
            TransientError: something did not answer; the sender is to send it again.
            SettingsError: there is no usable secret.

        """
        source = self.sources.get(name)
        if source is None:
            raise RequestError("There is no such source of webhooks.", code=ErrorCode.NOT_FOUND)
        verified = verify_hook(source, self.secrets.find(source.name), hook, now)
        message = NewMessage(verified.body, message_id("hook", source.name, verified.identity))

        def publish(topic: str) -> Received:
            return Received(topic, self.publishing.publish_for_us(topic, message, source.tenant))

        return receive_hook(verified, source, self.seen, publish)
