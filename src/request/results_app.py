"""Handler of `GET /results/{compute}`: the form of a request that browsers and the edge can cache."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.access.handshakes import read_header
from push.access.ports import TokenVerifier
from push.adapters.aws.clients import make_client
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.results import RedisResults
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.sqs.jobs import SqsJobs
from push.adapters.wiring.token_access import make_verifier
from push.cache.memory import MemoryCache
from push.computes import load_registry
from push.errors import PushasideError
from push.protocol.http_fields import read_wait
from push.settings import ResultsSettings, TokenSettings, read_settings
from request.asking.cacheable_results import CacheableResults
from request.asking.result_answers import ResultRenderer
from request.http_answers import HttpAnswer, answer_json, identify, refuse

logger = Logger()


class Dependencies:
    """What the handler works with; any part may raise SettingsError when it is first asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.metrics = BufferedMetrics()

    @cached_property
    def tokens(self) -> TokenVerifier | None:
        """What verifies tokens; None where everybody may ask."""
        settings = read_settings(TokenSettings, self._environ)
        return None if settings.auth_mode == "none" else make_verifier(settings)

    @cached_property
    def results(self) -> CacheableResults:
        """What finds results."""
        settings = self._settings
        return CacheableResults(
            registry=load_registry(settings.modules),
            store=RedisResults(SyncRedis(settings)),
            memory=MemoryCache(max_bytes=settings.memory_cache_mb * 1024 * 1024),
            jobs=SqsJobs(make_client("sqs"), settings.compute_queue_url, ClaimChecks(settings.storage_bucket)),
            counter=self.metrics,
            now_ms=lambda: time.time_ns() // 1_000_000,
            new_token=lambda: f"queued {secrets.token_hex(12)}",
            random=random.random,
            trust_ms=int(settings.memory_cache_seconds * 1000),
            sleep=time.sleep,
        )

    @cached_property
    def renderer(self) -> ResultRenderer:
        """What answers with them."""
        settings = self._settings
        payloads = S3Payloads(settings.storage_bucket)
        return ResultRenderer(encode=self.results.encode, link=payloads.link, is_open=settings.auth_mode == "none")

    @cached_property
    def _settings(self) -> ResultsSettings:
        return read_settings(ResultsSettings, self._environ)


@cache
def build() -> Dependencies:
    """Make the dependencies, each part of which reads the environment when it is needed."""
    copy_config_to_registered_loggers(logger, include={"push"})
    return Dependencies(os.environ)


def handler(event: dict[str, Any], _context: object) -> HttpAnswer:
    """Answer one HTTP request (payload format 2.0)."""
    dependencies = build()
    answer = handle(event, dependencies, now=time.time())
    dependencies.metrics.end_invocation()
    return answer


def handle(event: Mapping[str, Any], dependencies: Dependencies, *, now: float) -> HttpAnswer:
    """Answer with a result, with how to ask again for one that is being computed, or with a problem document."""
    wait_seconds = read_wait(read_header(event, "Prefer"))
    applied = {"preference-applied": f"wait={wait_seconds}"} if wait_seconds else {}
    try:
        identity = identify(event, dependencies.tokens, now)
        params = (event.get("queryStringParameters") or {}).get("params") or "{}"
        result = dependencies.results.find(
            identity.tenant, event["pathParameters"]["compute"], params.encode(errors="surrogatepass"), wait_seconds
        )
        if result is None:
            pending = msgspec.json.encode({"status": "pending"})
            return answer_json(202, pending, {"retry-after": "1", **applied})
        answer = dependencies.renderer.render(event, result)
    except PushasideError as exc:
        return refuse(event, exc, logger)
    answer["headers"] |= applied
    return answer
