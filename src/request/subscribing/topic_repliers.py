"""What answers for topics as an execution environment has it, made when a client first speaks of one."""

from __future__ import annotations

import secrets
import time
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
from push.adapters.sqs.jobs import SqsJobs
from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.computes import Registry
from push.settings import RequestSettings
from request.asking.accepting import Accepting
from request.asking.live_values import LiveValues
from request.subscribing.publishing import Publishing
from request.subscribing.subscribing import Subscribing
from request.subscribing.topic_replying import TopicReplier


class TopicRepliers:
    """Has the environment's replier, and makes it when it is first asked for: most requests need none."""

    def __init__(self, settings: RequestSettings, redis: SyncRedis, registry: Registry, accepting: Accepting) -> None:
        self._settings = settings
        self._redis = redis
        self._registry = registry
        self._accepting = accepting

    @cached_property
    def replier(self) -> TopicReplier:
        """The replier."""
        settings, sqs = self._settings, make_client("sqs")
        histories, fan_out = SyncRedisHistory(self._redis), SqsFanOutJobSender(sqs, settings.fan_out_queue_url)
        namespaces, bodies = shipped_namespaces(), ClaimChecks(settings.storage_bucket)
        return TopicReplier(
            subscribing=self._make_subscribing(histories, fan_out),
            publishing=Publishing(namespaces=namespaces, histories=histories, fan_out=fan_out),
            accepting=self._accepting,
            payloads=S3Payloads(settings.storage_bucket),
            deliveries=SqsDeliverySender(sqs, settings.delivery_queue_url, bodies),
            now_ms=_now_ms,
        )

    def _make_subscribing(self, histories: SyncRedisHistory, fan_out: SqsFanOutJobSender) -> Subscribing:
        settings = self._settings
        subscriptions = DynamoDbSubscriptions(make_client("dynamodb"), settings.subscriptions_table)
        live = LiveValues(
            registry=self._registry,
            store=RedisResults(self._redis),
            subscriptions=subscriptions,
            jobs=SqsJobs(make_client("sqs"), settings.compute_queue_url, ClaimChecks(settings.storage_bucket)),
            now_ms=_now_ms,
            new_token=lambda: f"queued {secrets.token_hex(12)}",
        )
        return Subscribing(
            namespaces=shipped_namespaces(),
            registry=self._registry,
            subscriptions=subscriptions,
            histories=histories,
            lagging=SyncRedisLagging(self._redis),
            fan_out=fan_out,
            live=live,
            now_ms=_now_ms,
            connection_seconds=settings.connection_seconds,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
