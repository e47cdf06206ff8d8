"""The parts of the socket function that only topics need, made when a client first uses a topic."""

from __future__ import annotations

from functools import cached_property

from push.adapters.aws.clients import make_client
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.histories import SyncRedisHistory
from push.adapters.redis.results import RedisResults
from push.adapters.redis.shard_progress import SyncRedisLagging
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.deliveries import SqsDeliverySender
from push.adapters.sqs.fan_out import SqsFanOutJobSender
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.computes import Registry
from push.settings import RequestSettings
from request.asking.client_encodings import ClientEncodings
from request.asking.engine import Engine
from request.asking.live_values import LiveValues
from request.subscribing.connection_subscriptions import ConnectionSubscriptions
from request.subscribing.publishing import Publishing
from request.subscribing.topic_replies import TopicReplies
from request.wiring.engine import now_ms


class SocketTopics:
    """Makes the environment's `TopicReplies` at their first use: most messages need none."""

    def __init__(
        self,
        settings: RequestSettings,
        redis: SyncRedis,
        registry: Registry,
        engine: Engine,
        client_encodings: ClientEncodings,
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._registry = registry
        self._engine = engine
        self._client_encodings = client_encodings

    @cached_property
    def replies(self) -> TopicReplies:
        """The replies to messages about topics."""
        settings, sqs = self._settings, make_client("sqs")
        histories, fan_out = SyncRedisHistory(self._redis), SqsFanOutJobSender(sqs, settings.fan_out_queue_url)
        namespaces, bodies = shipped_namespaces(settings.topics), ClaimChecks(settings.storage_bucket)
        return TopicReplies(
            subscriptions=self._make_subscriptions(histories, fan_out),
            publishing=Publishing(namespaces=namespaces, histories=histories, fan_out=fan_out),
            client_encodings=self._client_encodings,
            payloads=S3Payloads(settings.storage_bucket),
            deliveries=SqsDeliverySender(sqs, settings.delivery_queue_url, bodies),
            now_ms=now_ms,
        )

    def _make_subscriptions(self, histories: SyncRedisHistory, fan_out: SqsFanOutJobSender) -> ConnectionSubscriptions:
        settings = self._settings
        subscriptions = DynamoDbSubscriptions(make_client("dynamodb"), settings.subscriptions_table)
        live = LiveValues(
            engine=self._engine,
            registry=self._registry,
            store=RedisResults(self._redis),
            subscriptions=subscriptions,
            now_ms=now_ms,
        )
        return ConnectionSubscriptions(
            namespaces=shipped_namespaces(settings.topics),
            registry=self._registry,
            subscriptions=subscriptions,
            histories=histories,
            lagging=SyncRedisLagging(self._redis),
            fan_out=fan_out,
            live=live,
            now_ms=now_ms,
            connection_seconds=settings.connection_seconds,
        )
