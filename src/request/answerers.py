"""The answerer as an execution environment has it: over its own memory, Redis and the compute queue."""

from __future__ import annotations

import random
import secrets
import time

from push.adapters.aws_clients import make_client
from push.adapters.claim_checks import ClaimChecks
from push.adapters.redis_connection import SyncRedis
from push.adapters.redis_results import RedisResults
from push.adapters.sqs_jobs import SqsJobs
from push.computes import Registry
from push.memory_cache import MemoryCache
from push.metrics import Counter
from push.settings import AnswerSettings
from request.answering import Answerer


def make_answerer(settings: AnswerSettings, registry: Registry, redis: SyncRedis, counter: Counter) -> Answerer:
    """Make the environment's answerer."""
    return Answerer(
        registry=registry,
        store=RedisResults(redis),
        memory=MemoryCache(max_bytes=settings.memory_cache_mb * 1024 * 1024),
        jobs=SqsJobs(make_client("sqs"), settings.compute_queue_url, ClaimChecks(settings.storage_bucket)),
        counter=counter,
        now_ms=lambda: time.time_ns() // 1_000_000,
        new_token=lambda: f"queued {secrets.token_hex(12)}",
        random=random.random,
        trust_ms=int(settings.memory_cache_seconds * 1000),
    )
