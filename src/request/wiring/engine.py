"""The engine over this environment's memory, Redis and the compute queue."""

from __future__ import annotations

import random
import secrets
import time

from push.adapters.aws.clients import make_client
from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.results import RedisResults
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.jobs import SqsJobs
from push.cache.memory import MemoryCache
from push.computes import Registry
from push.metrics import Counter
from push.settings import AnswerSettings
from request.asking.engine import Engine


def make_engine(settings: AnswerSettings, registry: Registry, redis: SyncRedis, counter: Counter) -> Engine:
    """Make the environment's engine."""
    return Engine(
        registry=registry,
        store=RedisResults(redis),
        memory=MemoryCache(max_bytes=settings.memory_cache_mb * 1024 * 1024),
        jobs=SqsJobs(make_client("sqs"), settings.compute_queue_url, ClaimChecks(settings.storage_bucket)),
        counter=counter,
        now_ms=now_ms,
        new_token=lambda: f"queued {secrets.token_hex(12)}",
        random=random.random,
        trust_ms=int(settings.memory_cache_seconds * 1000),
    )


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
