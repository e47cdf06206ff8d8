"""The parts of the function for topics over HTTP. Each is made when a route first needs it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial

from push.access.ports import TokenVerifier
from push.adapters.aws.clients import make_client
from push.adapters.dynamodb.subscriptions import DynamoDbTopicMembers
from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.histories import SyncRedisHistory
from push.adapters.redis.seen_hooks import RedisSeenHooks
from push.adapters.secrets.hooks import CachedHookSecrets, fetch_hook_secrets
from push.adapters.sqs.fan_out import SqsFanOutJobSender
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.adapters.wiring.token_access import READ_TIMEOUT_SECONDS, make_verifier
from push.computes import Registry
from push.hooks.sources import HookSource, parse_hook_sources
from push.settings import TokenSettings, TopicsSettings, read_settings
from push.topics.namespaces import Namespaces
from request.subscribing.inbound_webhooks import InboundWebhooks
from request.subscribing.publishing import Publishing
from request.subscribing.topic_pages import TopicPages


class TopicsParts:
    """The parts of one execution environment.

    Every part raises SettingsError at its first use if a setting is missing or wrong.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @cached_property
    def tokens(self) -> TokenVerifier | None:
        """The verifier of tokens; None where every caller is admitted."""
        settings = read_settings(TokenSettings, self._environ)
        return None if settings.auth_mode == "none" else make_verifier(settings)

    @cached_property
    def publishing(self) -> Publishing:
        """Publishing to channels."""
        fan_out = SqsFanOutJobSender(make_client("sqs"), self._settings.fan_out_queue_url)
        return Publishing(namespaces=self._namespaces, histories=self._histories, fan_out=fan_out)

    @property
    def _namespaces(self) -> Namespaces:
        return shipped_namespaces(self._settings.topics)

    @cached_property
    def pages(self) -> TopicPages:
        """The pages of topics."""
        members = DynamoDbTopicMembers(make_client("dynamodb"), self._settings.subscriptions_table)
        return TopicPages(
            namespaces=self._namespaces, histories=self._histories, members=members, is_guarded=self._is_guarded
        )

    def _is_guarded(self, name: str) -> bool:
        compute = self._registry.by_name.get(name)
        return compute is not None and compute.authorize is not None

    @cached_property
    def _registry(self) -> Registry:
        return load_offer(self._settings)

    @cached_property
    def webhooks(self) -> InboundWebhooks:
        """The receiver of inbound webhooks."""
        client = make_client("secretsmanager", read_timeout_seconds=READ_TIMEOUT_SECONDS)
        return InboundWebhooks(
            sources=self._sources,
            secrets=CachedHookSecrets(partial(fetch_hook_secrets, client, self._settings.hook_secret_arn)),
            seen=RedisSeenHooks(self._redis),
            publishing=self.publishing,
        )

    @cached_property
    def _sources(self) -> dict[str, HookSource]:
        return parse_hook_sources(self._settings.hook_sources)

    @cached_property
    def _histories(self) -> SyncRedisHistory:
        return SyncRedisHistory(self._redis)

    @cached_property
    def _redis(self) -> SyncRedis:
        return SyncRedis(self._settings)

    @cached_property
    def _settings(self) -> TopicsSettings:
        return read_settings(TopicsSettings, self._environ)
